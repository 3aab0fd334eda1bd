package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
)

// Tests of how the gateway handles failing stores and queues.

var errBroken = errors.New("dial tcp 10.9.8.7:27017: connection refused")

// fullStore is a media store with limited space.
type fullStore struct {
	media.Store
	room int64
	err  error
}

func (f fullStore) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	return f.Store.Put(ctx, o, io.MultiReader(io.LimitReader(r, f.room), iotest.ErrReader(f.err)))
}

func TestVideoNotStored(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want problem.Kind
	}{
		"no space":     {fmt.Errorf("write: %w", syscall.ENOSPC), problem.NoSpace},
		"unavailable":  {errBroken, problem.Unavailable},
		"timeout":      {fmt.Errorf("read: %w", syscall.ETIMEDOUT), problem.Unavailable},
		"ctx deadline": {fmt.Errorf("read tcp: %w", context.DeadlineExceeded), problem.Unavailable},
		"I/O deadline": {fmt.Errorf("read tcp: %w", os.ErrDeadlineExceeded), problem.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := startGateway(t, func(g *setup) { g.Videos = fullStore{g.Videos, 100, c.err} })
			res, b := s.upload(t, form{file{"a.mp4", video}})
			checkProblem(t, res, b, c.want)
			if strings.Contains(string(b), "10.9.8.7") {
				t.Error("the cause was sent to the client")
			}
			s.checkNothingLeft(t)
		})
	}
}

// slowStore is a media store that takes long to complete a write.
type slowStore struct {
	media.Store
	long time.Duration
}

func (l slowStore) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	o, err := l.Store.Put(ctx, o, r)
	select {
	case <-time.After(l.long):
		return o, err
	case <-ctx.Done():
		return o, errors.Join(ctx.Err(), l.Delete(context.WithoutCancel(ctx), o.ID))
	}
}

// The idle timeout limits the client only, not the time that the store takes after the
// last byte.
func TestSlowStore(t *testing.T) {
	t.Parallel()
	const idleTimeout = 200 * time.Millisecond
	s := startGateway(t, func(g *setup) {
		g.Config.IdleTimeout = idleTimeout
		g.Videos = slowStore{g.Videos, 2*idleTimeout + 2*time.Second}
	})
	body, contentType := form{file{"a.mp4", video}}.encode(t)
	for name, c := range map[string]struct {
		body        []byte
		contentType string
	}{
		"form": {body, contentType},
		"raw":  {video, "video/mp4"},
	} {
		res, b := s.do(t, "POST", "/upload", bytes.NewReader(c.body), "Content-Type", c.contentType)
		if res.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %d %s", name, res.StatusCode, b)
		}
	}
}

// jobStore is a job store whose methods a test may replace.
type jobStore struct {
	jobs.Store
	create func(ctx context.Context, j jobs.Job) error
	get    func(ctx context.Context, id string) (jobs.Job, error)
	update func(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error)
}

func (r jobStore) Create(ctx context.Context, j jobs.Job) error {
	if r.create == nil {
		return r.Store.Create(ctx, j)
	}
	return r.create(ctx, j)
}

func (r jobStore) Get(ctx context.Context, id string) (jobs.Job, error) {
	if r.get == nil {
		return r.Store.Get(ctx, id)
	}
	return r.get(ctx, id)
}

func (r jobStore) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	if r.update == nil {
		return r.Store.Update(ctx, id, change)
	}
	return r.update(ctx, id, change)
}

// A write of the record whose result is unknown is repeated, and confirmed by a
// durable write. Whatever happens, the video is kept: the record may refer to it.
func TestAmbiguousCreate(t *testing.T) {
	for name, c := range map[string]struct {
		// create is the nth write of the record.
		create   func(kept jobs.Store, n int, ctx context.Context, j jobs.Job) error
		update   func(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error)
		accepted bool
	}{
		"stored, and the answer lost": {
			create:   func(kept jobs.Store, _ int, ctx context.Context, j jobs.Job) error { return lost(kept.Create(ctx, j)) },
			accepted: true,
		},
		"rolled back": {
			create: func(kept jobs.Store, n int, ctx context.Context, j jobs.Job) error {
				if n == 1 {
					return errBroken
				}
				return kept.Create(ctx, j)
			},
			accepted: true,
		},
		"never stored": {
			create: func(jobs.Store, int, context.Context, jobs.Job) error { return errBroken },
		},
		"stored, but not durably": {
			create: func(kept jobs.Store, _ int, ctx context.Context, j jobs.Job) error { return lost(kept.Create(ctx, j)) },
			update: func(context.Context, string, func(*jobs.Job) error) (jobs.Job, error) { return jobs.Job{}, errBroken },
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			s := startGateway(t, func(g *setup) {
				kept := g.Jobs
				g.Jobs = jobStore{Store: kept, update: c.update, create: func(ctx context.Context, j jobs.Job) error {
					n++
					return c.create(kept, n, ctx, j)
				}}
			})
			res, b := s.upload(t, form{file{"a.mp4", video}})
			if c.accepted {
				if res.StatusCode != http.StatusAccepted || s.queue.count() != 1 {
					t.Errorf("%d %s, %d events, want 202 and one", res.StatusCode, b, s.queue.count())
				}
			} else {
				checkProblem(t, res, b, problem.Unavailable)
				if s.queue.count() != 0 {
					t.Error("an event was sent")
				}
			}
			if s.files(t, "videos") == 0 {
				t.Error("the video was deleted")
			}
		})
	}
}

// lost is the error of a write that may have been stored.
func lost(err error) error {
	if err != nil {
		return err
	}
	return errBroken
}

// Each write of the record has its own time limit.
func TestCreateTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &recordingQueue{}
		g := &Gateway{Deps: Deps{Queue: queue, Jobs: jobStore{
			create: func(ctx context.Context, _ jobs.Job) error { <-ctx.Done(); return ctx.Err() },
		}}}
		begun := time.Now()
		if err := g.acceptJob(t.Context(), jobs.Job{ID: "6650a1f2c4b8e90d1f3a7b21"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("acceptJob: %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(begun); took != jobs.MaxWrites*storeTimeout || queue.count() != 0 {
			t.Errorf("%d events after %v", queue.count(), took)
		}
	})
}

func TestQueueUnavailable(t *testing.T) {
	s := startGateway(t, nil)
	s.queue.fail = errBroken
	j := s.mustUpload(t, "a.mp4")
	if now := time.Now(); j.DueAt.After(now.Add(s.config.Policy.Wake)) {
		t.Errorf("the janitor sends the next wake-up only after %v", j.DueAt.Sub(now))
	}
}

func TestStoresUnavailable(t *testing.T) {
	broken := jobStore{get: func(context.Context, string) (jobs.Job, error) { return jobs.Job{}, errBroken }}
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	kept := s.Jobs
	s.Jobs = broken
	for _, route := range []string{"GET /jobs/" + j.ID, "DELETE /jobs/" + j.ID, "POST /jobs/" + j.ID + "/cancel", "POST /jobs/" + j.ID + "/retry", "GET /jobs/" + j.ID + "/audio", "GET /download?fid=" + j.ID} {
		method, path, _ := strings.Cut(route, " ")
		res, b := s.do(t, method, path, nil)
		checkProblem(t, res, b, problem.Unavailable)
	}
	s.Jobs, s.Audio = kept, unreadableStore{s.Audio}
	for _, path := range []string{"/jobs/" + j.ID + "/audio", "/download?fid=" + j.ID, "/download?fid=" + j.Audio.ID} {
		res, b := s.do(t, "GET", path, nil)
		checkProblem(t, res, b, problem.Unavailable)
	}
}

type unreadableStore struct{ media.Store }

func (unreadableStore) Open(context.Context, string) (media.Object, io.ReadSeekCloser, error) {
	return media.Object{}, nil, errBroken
}

// A record whose MP3 is gone will be deleted soon.
func TestMP3IsGone(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	if err := s.Audio.Delete(t.Context(), j.Audio.ID); err != nil {
		t.Fatal(err)
	}
	res, b := s.do(t, "GET", "/jobs/"+j.ID+"/audio", nil)
	checkProblem(t, res, b, problem.JobNotFound)
}

// What is not the fault of an option is not blamed on one, and its cause is logged.
func TestFailureAfterTheFileIsNotAnOption(t *testing.T) {
	err := problem.Unavailable.WithCause(errBroken)
	if got := afterFile(err); got != error(err) {
		t.Errorf("%v, want %v", got, err)
	}
	err = problem.BadOption.WithDetail("bitrate must be lower.")
	if got := afterFile(err); !errors.Is(got, problem.BadOption) || !strings.Contains(got.Error(), "after the file") {
		t.Errorf("%v does not say that the option was late", got)
	}
}
