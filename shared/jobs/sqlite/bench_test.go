package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/shared/jobs"
)

// filled returns a store with n jobs of one owner.
func filled(b *testing.B, n int) *Store {
	b.Helper()
	s := open(b, filepath.Join(b.TempDir(), "jobs.db"))
	tx, err := s.writer.Begin() // one transaction: only what is measured need be durable
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	for i := range n {
		j := jobs.Job{ID: key(i), Owner: "ann", Name: "holiday.mp4", DueAt: jobs.Truncate(time.Unix(int64(i), 0))}
		doc, err := json.Marshal(j)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := tx.Stmt(s.create).Exec(j.ID, j.Owner, j.DueAt.UnixMilli(), 0, string(doc)); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	return s
}

func key(i int) string { return fmt.Sprintf("%024x", i*7919) }

var sizes = []int{10, 10_000}

func BenchmarkGet(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := filled(b, n)
			i := 0
			for b.Loop() {
				if _, err := s.Get(b.Context(), key(i%n)); err != nil {
					b.Fatal(err)
				}
				i += 101
			}
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := filled(b, n)
			i := 0
			for b.Loop() {
				_, err := s.Update(b.Context(), key(i%n), func(j *jobs.Job) error { j.Wakes++; return nil })
				if err != nil {
					b.Fatal(err)
				}
				i += 101
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := filled(b, n)
			for b.Loop() {
				if _, err := s.List(context.Background(), "ann", jobs.Filter{}, 10); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQueue reads the queue of an owner while 2000 jobs are queued.
func BenchmarkQueue(b *testing.B) {
	for _, owners := range []int{1, 10, 2000} {
		b.Run(fmt.Sprint(owners, " owners"), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "jobs.db"))
			for i := range 2000 {
				j := jobs.Job{ID: key(i), Owner: fmt.Sprint(i % owners), State: jobs.Queued, CreatedAt: time.Now()}
				if err := s.Create(b.Context(), j); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if q, err := s.Queue(b.Context(), "0", time.Now()); err != nil || len(q.Waiting) != 2000/owners {
					b.Fatal(err)
				}
			}
		})
	}
}
