package api

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/queue"
)

// contextStore is a media store that passes on the context of each Put.
type contextStore struct {
	media.Store
	put chan context.Context
}

func (c contextStore) Put(ctx context.Context, o media.Object, r io.Reader) (media.Object, error) {
	c.put <- ctx
	return c.Store.Put(ctx, o, r)
}

// hookedJobs is a job store that calls functions before the real ones, if they are set.
type hookedJobs struct {
	jobs.Store
	beforeCreate, beforeGet, beforeUpdate, beforeDelete func(context.Context)
}

func (h *hookedJobs) Create(ctx context.Context, j jobs.Job) error {
	call(ctx, h.beforeCreate)
	return h.Store.Create(ctx, j)
}

func (h *hookedJobs) Get(ctx context.Context, id string) (jobs.Job, error) {
	call(ctx, h.beforeGet)
	return h.Store.Get(ctx, id)
}

func (h *hookedJobs) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	call(ctx, h.beforeUpdate)
	return h.Store.Update(ctx, id, change)
}

func (h *hookedJobs) Delete(ctx context.Context, id string) error {
	call(ctx, h.beforeDelete)
	return h.Store.Delete(ctx, id)
}

func call(ctx context.Context, hook func(context.Context)) {
	if hook != nil {
		hook(ctx)
	}
}

// waitDone waits until the server has noticed that the client of a request is gone.
func waitDone(request context.Context, t *testing.T) {
	select {
	case <-request.Done():
	case <-time.After(20 * time.Second):
		t.Error("the server does not notice that the client is gone")
	}
}

// A client that leaves after it has sent the video does not prevent the job.
func TestClientLeavesWhileJobIsCreated(t *testing.T) {
	puts := make(chan context.Context, 1)
	creating := make(chan struct{})
	s := startGateway(t, func(g *setup) {
		g.Videos = contextStore{g.Videos, puts}
		g.Jobs = &hookedJobs{Store: g.Jobs, beforeCreate: func(context.Context) {
			close(creating)
			waitDone(<-puts, t)
		}}
	})
	c := s.dial(t, s.authorizationHeader(), fmt.Sprintf("Content-Length: %d", len(video)))
	c.Write(video)
	<-creating
	c.Close()
	waitUntil(t, "the job is accepted although its client has left", func() bool { return s.queue.count() == 1 })
	if n := s.records(t); n != 1 {
		t.Errorf("%d jobs, want the one that was created after its client had left", n)
	}
	if n := s.files(t, "videos"); n == 0 {
		t.Error("the video was deleted")
	}
}

// A client that leaves does not interrupt a cancellation or a deletion.
func TestClientLeavesWhileJobIsDeleted(t *testing.T) {
	for name, c := range map[string]struct {
		method, suffix string
		finished       bool
		hook           func(*hookedJobs, func(context.Context))
		deleted        func(*testGateway, string) bool
	}{
		"cancel": {"POST", "/cancel", false, func(h *hookedJobs, f func(context.Context)) { h.beforeUpdate = f }, func(s *testGateway, job string) bool {
			j, err := s.Jobs.Get(context.Background(), job)
			return err == nil && j.State == jobs.Cancelled && s.files(t, "videos") == 0
		}},
		"erase": {"DELETE", "", true, func(h *hookedJobs, f func(context.Context)) { h.beforeDelete = f }, func(s *testGateway, job string) bool {
			_, err := s.Jobs.Get(context.Background(), job)
			return err != nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var store *hookedJobs
			s := startGateway(t, func(g *setup) {
				store = &hookedJobs{Store: g.Jobs}
				g.Jobs = store
			})
			j := s.mustUpload(t, "a.mp4")
			if c.finished {
				s.claim(t, j.ID)
				s.complete(t, j.ID, []byte("mp3"))
			}
			requests, deleting := make(chan context.Context, 9), make(chan struct{})
			store.beforeGet = func(ctx context.Context) { requests <- ctx }
			c.hook(store, func(context.Context) {
				store.beforeGet = nil
				close(deleting)
				waitDone(<-requests, t)
			})
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "%s /jobs/%s%s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", c.method, j.ID, c.suffix, s.authorizationHeader())
			<-deleting
			conn.Close()
			waitUntil(t, "the job is gone although its client has left", func() bool { return c.deleted(s, j.ID) })
		})
	}
}

// blockedQueue is a publisher whose broker does not answer.
type blockedQueue struct{ t *testing.T }

func (b blockedQueue) Wake(ctx context.Context, _ queue.Queue, _ string) error {
	if _, ok := ctx.Deadline(); !ok {
		b.t.Error("the wait for the broker has no time limit")
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// A broker that does not answer delays an upload by a few seconds only.
func TestBrokerDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{Deps: Deps{Queue: blockedQueue{t}, Jobs: jobStore{
			create: func(context.Context, jobs.Job) error { return nil },
		}}}
		begun := time.Now()
		if err := g.acceptJob(t.Context(), jobs.Job{ID: id.New()}); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("the upload was accepted after %v", took)
		}
	})
}

// Options that are sent before the file are checked before the file is read.
func TestBadOptionsAreRejectedBeforeTheFile(t *testing.T) {
	t.Parallel()
	s := startGateway(t, nil)
	for name, c := range map[string]struct{ target, contentType, begin string }{
		"query": {"/upload?bitrate=7", "video/mp4", string(video)},
		"form": {"/upload", "multipart/form-data; boundary=x",
			"--x\r\nContent-Disposition: form-data; name=\"bitrate\"\r\n\r\n7\r\n" +
				"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\n" + string(video)},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(time.Minute))
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000000\r\n%s\r\n\r\n%s",
				c.target, c.contentType, s.authorizationHeader(), c.begin)
			checkProblemOn(t, conn, problem.BadOption)
			s.checkNothingLeft(t)
		})
	}
}

// An MP3 that the record does not name, such as that of an attempt that has lost its
// lease, is not served.
func TestMP3OfAnotherAttemptIsNotServed(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	other, err := s.Audio.Put(t.Context(), media.Object{ID: id.New(), Job: j.ID}, strings.NewReader("another mp3"))
	if err != nil {
		t.Fatal(err)
	}
	res, b := s.do(t, "GET", "/download?fid="+other.ID, nil)
	checkProblem(t, res, b, problem.JobNotFound)
	if res, _ := s.do(t, http.MethodGet, "/download?fid="+j.Audio.ID, nil); res.StatusCode != http.StatusOK {
		t.Errorf("the job's own MP3: %d", res.StatusCode)
	}
}
