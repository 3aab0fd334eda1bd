package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"mp3converter/functions/gateway/idempotency"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
	"mp3converter/shared/token"
)

// Tests of uploads with an idempotency key whose gateway dies, or stalls.

var errKilled = errors.New("the process was killed")

// process is a gateway's access to the stores. It ends after some effects: nothing that
// the gateway does later has an effect.
type process struct {
	mu      sync.Mutex
	effects int // until it is killed; negative is never
	killed  bool
}

// do has an effect unless the process is dead, and kills it if that was the last one.
func (p *process) do(effect func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return errKilled
	}
	if err := effect(); err != nil {
		return err
	}
	if p.effects--; p.effects == 0 {
		p.killed = true
		return errKilled
	}
	return nil
}

type killedJobs struct {
	jobs.Store
	*process
}

func (k killedJobs) Create(ctx context.Context, j jobs.Job) error {
	return k.do(func() error { return k.Store.Create(ctx, j) })
}

func (k killedJobs) Update(ctx context.Context, id string, change func(*jobs.Job) error) (j jobs.Job, err error) {
	err = k.do(func() (err error) { j, err = k.Store.Update(ctx, id, change); return err })
	return j, err
}

func (k killedJobs) Delete(ctx context.Context, id string) error {
	return k.do(func() error { return k.Store.Delete(ctx, id) })
}

type killedMedia struct {
	media.Store
	*process
}

func (k killedMedia) Put(ctx context.Context, o media.Object, r io.Reader) (stored media.Object, err error) {
	err = k.do(func() (err error) { stored, err = k.Store.Put(ctx, o, r); return err })
	return stored, err
}

func (k killedMedia) Delete(ctx context.Context, id string) error {
	return k.do(func() error { return k.Store.Delete(ctx, id) })
}

type killedQueue struct {
	queue.Publisher
	*process
}

func (k killedQueue) Wake(ctx context.Context, q queue.Queue, job string) error {
	return k.do(func() error { return k.Publisher.Wake(ctx, q, job) })
}

// later is a store of records whose clock is ahead.
type later struct {
	jobs.Store
	ahead time.Duration
}

func (l later) Now() time.Time { return l.Store.Now().Add(l.ahead) }

// A gateway is killed after each of its effects. The same request at another pod, once the
// lease has expired, is accepted, and there is one job with the whole video.
func TestKilledDuringUpload(t *testing.T) {
	for name, body := range map[string]any{
		"good": form{field{"tag", "x"}, file{"a.mp4", video}},
		"bad":  form{file{"a.mp4", video}, field{"bitrate", "7"}}, // deletes its record and video
	} {
		for effects, killed := 1, true; killed; effects++ {
			t.Run(fmt.Sprint(name, " ", effects), func(t *testing.T) {
				p := &process{effects: effects}
				one := startGateway(t, func(g *setup) {
					g.Jobs, g.Videos, g.Queue = killedJobs{g.Jobs, p}, killedMedia{g.Videos, p}, killedQueue{g.Queue, p}
				})
				one.send(t, "/upload", body, idempotency.Header, "k")
				killed = p.killed
				two := startGateway(t, func(g *setup) {
					records := one.Jobs.(killedJobs).Store
					g.Jobs, g.Videos = later{records, jobs.UploadLease + time.Second}, one.Videos.(killedMedia).Store
				})
				if killed {
					t.Logf("killed after effect %d", effects)
				}
				again := form{field{"tag", "x"}, file{"a.mp4", video}}
				res, b := two.send(t, "/upload", again, idempotency.Header, "k")
				j := accepted(t, res, b)
				if j.Tag != "x" || j.State != jobs.Queued || one.records(t) != 1 || one.files(t, "videos") != 2 {
					t.Errorf("job %+v, %d records, %d files of videos", j, one.records(t), one.files(t, "videos"))
				}
				stored, err := two.Jobs.Get(t.Context(), j.ID)
				if err != nil {
					t.Fatal(err)
				}
				_, f, err := two.Videos.Open(t.Context(), stored.Video.ID)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, video) || stored.Video.Size != int64(len(video)) {
					t.Errorf("video of %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// The next request with a key does not wait for a gateway that has died, beyond its lease.
func TestKeyOfDeadGateway(t *testing.T) {
	t.Parallel()
	s := startGateway(t, nil)
	dead := uploadHead{key: "k", user: token.Claims{Subject: "anna"}}.newJob()
	dead.BeginUpload(s.uploadPolicy(), "dead", s.Jobs.Now().Add(2*time.Second-jobs.UploadLease)) // expires in 2 s
	if err := s.Jobs.Create(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Videos.Put(t.Context(), media.Object{ID: dead.Video.ID, Job: dead.ID}, bytes.NewReader(video[:5])); err != nil {
		t.Fatal(err)
	}
	res, b := s.send(t, "/upload", video, idempotency.Header, "k")
	if j := accepted(t, res, b); j.ID != dead.ID || j.Bytes != int64(len(video)) {
		t.Errorf("job %+v, want the one of the dead gateway", j)
	}
	s.checkOneJob(t)
}

// The record of an upload that nobody repeats is soon due to the janitor.
func TestDeadUploadIsSoonDue(t *testing.T) {
	s := startGateway(t, nil)
	c := s.dial(t, s.authorizationHeader(), "Idempotency-Key: k", "Content-Length: 1000000")
	c.Write(video)
	waitUntil(t, "the upload has begun", func() bool { return s.records(t) == 1 })
	due, err := s.Jobs.Due(t.Context(), time.Now().Add(2*time.Minute), 10)
	if err != nil || len(due) != 1 {
		t.Errorf("%d records due in two minutes, %v, want 1", len(due), err)
	}
}

// A slow upload keeps its lease. If it has lost it nevertheless, it leaves the job to the
// other request.
func TestLeaseOfSlowUpload(t *testing.T) {
	t.Parallel()
	s := startGateway(t, func(g *setup) { g.Config.IdleTimeout = time.Minute })
	c := s.dial(t, s.authorizationHeader(), "Idempotency-Key: k", fmt.Sprintf("Content-Length: %d", len(video)))
	c.Write(video[:1000])
	record := func() jobs.Job {
		all, err := s.Jobs.Due(t.Context(), time.Now().Add(time.Hour), 10)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d records, %v", len(all), err)
		}
		return all[0]
	}
	waitUntil(t, "the upload has begun", func() bool { return s.files(t, "videos") > 0 })
	first := record()
	waitUntil(t, "the lease is renewed", func() bool { return record().Lease.Until.After(first.Lease.Until) })

	taken := s.update(t, first.ID, func(j *jobs.Job) error {
		j.Lease = jobs.Lease{}
		return j.LockUpload(s.uploadPolicy(), "another", s.Jobs.Now())
	})
	c.Write(video[1000:])
	checkProblemOn(t, c, problem.IdempotencyKeyInUse)
	waitUntil(t, "its video is deleted", func() bool { return s.files(t, "videos") == 0 })
	if now := record(); now.Revision != taken.Revision || now.Lease.Holder != "another" {
		t.Errorf("the record was changed to %+v", now)
	}
}

// A write that completes the upload, and whose result is unknown, is repeated.
func TestAmbiguousFinish(t *testing.T) {
	for name, c := range map[string]struct {
		// update is the nth update of the record.
		update   func(kept jobs.Store, n int, ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error)
		accepted bool
		left     bool // a record remains
	}{
		"stored, and the answer lost": {
			update: func(kept jobs.Store, n int, ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
				j, err := kept.Update(ctx, id, change)
				if n == 1 {
					err = lost(err)
				}
				return j, err
			},
			accepted: true,
		},
		"not stored at first": {
			update: func(kept jobs.Store, n int, ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
				if n == 1 {
					return jobs.Job{}, errBroken
				}
				return kept.Update(ctx, id, change)
			},
			accepted: true,
		},
		"not stored": { // and deleted when the store is back
			update: func(kept jobs.Store, n int, ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
				if n <= jobs.MaxWrites {
					return jobs.Job{}, errBroken
				}
				return kept.Update(ctx, id, change)
			},
		},
		"stored, but not durably": { // so it is not deleted
			update: func(kept jobs.Store, n int, ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
				j, err := kept.Update(ctx, id, change)
				if n <= jobs.MaxWrites {
					err = lost(err)
				}
				return j, err
			},
			left: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			s := startGateway(t, func(g *setup) {
				kept := g.Jobs
				g.Jobs = jobStore{Store: kept, update: func(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
					n++
					return c.update(kept, n, ctx, id, change)
				}}
			})
			res, b := s.send(t, "/upload", video, idempotency.Header, "k")
			if c.accepted {
				accepted(t, res, b)
				s.checkOneJob(t)
				return
			}
			checkProblem(t, res, b, problem.Unavailable)
			if !c.left {
				s.checkNothingLeft(t)
				return
			}
			res, b = s.send(t, "/upload", video, idempotency.Header, "k")
			accepted(t, res, b)
			if s.records(t) != 1 || s.files(t, "videos") != 2 {
				t.Errorf("%d records, %d files", s.records(t), s.files(t, "videos"))
			}
		})
	}
}

// A record whose creation fails with an unknown result does not keep the key.
func TestAmbiguousBegin(t *testing.T) {
	n := 0
	s := startGateway(t, func(g *setup) {
		kept := g.Jobs
		g.Jobs = jobStore{Store: kept, create: func(ctx context.Context, j jobs.Job) error {
			if n++; n == 1 {
				return lost(kept.Create(ctx, j))
			}
			return kept.Create(ctx, j)
		}}
	})
	res, b := s.send(t, "/upload", video, idempotency.Header, "k")
	checkProblem(t, res, b, problem.Unavailable)
	s.checkNothingLeft(t)
	res, b = s.send(t, "/upload", video, idempotency.Header, "k")
	if j := accepted(t, res, b); res.StatusCode != http.StatusAccepted || j.Name != "video" {
		t.Errorf("%+v", j)
	}
	s.checkOneJob(t)
}
