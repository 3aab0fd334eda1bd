package api

import (
	"context"
	"errors"
	"testing"
	"time"

	"mp3converter/shared/jobs"
)

// While a job is queued, its response says how many start before it.
func TestQueuePosition(t *testing.T) {
	s := startGateway(t, nil)
	positions := func() (got []int) {
		t.Helper()
		_, b := s.do(t, "GET", "/jobs", nil)
		for _, j := range decode[jobListResponse](t, b).Jobs {
			one := s.getJob(t, j.ID)
			switch {
			case j.QueuePosition == nil || one.QueuePosition == nil:
				got = append(got, -1)
			default:
				got = append(got, *j.QueuePosition)
			}
			if j.QueuePosition != nil && *j.QueuePosition != *one.QueuePosition {
				t.Errorf("position %d in the list, %d alone", *j.QueuePosition, *one.QueuePosition)
			}
		}
		return got
	}
	same := func(what string, want ...int) {
		t.Helper()
		got := positions()
		for i := range max(len(got), len(want)) {
			if len(got) != len(want) || got[i] != want[i] {
				t.Fatalf("%s: positions %v, want %v", what, got, want)
			}
		}
	}
	first := s.mustUpload(t, "a.mp4")
	s.mustUpload(t, "b.mp4")
	same("alone", 1, 0)
	s.token = s.tokenOf(t, "bert")
	s.mustUpload(t, "c.mp4")
	same("bert's", 1)
	s.token = s.tokenOf(t, "anna")
	same("with bert's", 2, 0)
	s.claim(t, first.ID)
	same("the first is converting", 1, -1)
	s.token = s.tokenOf(t, "bert")
	same("bert is next", 0)
}

func TestExpectedStart(t *testing.T) {
	s := startGateway(t, nil)
	first, second := s.mustUpload(t, "a.mp4"), s.mustUpload(t, "b.mp4")
	if v := s.getJob(t, second.ID); !v.ExpectedStart.IsZero() {
		t.Errorf("expected at %v, although nothing has started", v.ExpectedStart)
	}
	s.update(t, second.ID, func(j *jobs.Job) error { j.CreatedAt = j.CreatedAt.Add(-time.Minute); return nil })
	s.claim(t, first.ID)
	// One start in the minute that the second has waited, so the next in a minute.
	if in := time.Until(s.getJob(t, second.ID).ExpectedStart); in < 30*time.Second || in > 2*time.Minute {
		t.Errorf("expected in %v, want about a minute", in)
	}
	if v := s.getJob(t, first.ID); v.QueuePosition != nil || !v.ExpectedStart.IsZero() {
		t.Errorf("a converting job has a position: %+v", v)
	}
}

// noQueue is a store whose queue cannot be read.
type noQueue struct{ jobs.Store }

func (noQueue) Queue(context.Context, string, time.Time) (jobs.Queue, error) {
	return jobs.Queue{}, errBroken
}

func TestQueueCannotBeRead(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustUpload(t, "a.mp4")
	s.Jobs = noQueue{s.Jobs}
	if v := s.getJob(t, j.ID); v.State != jobs.Queued || v.QueuePosition != nil {
		t.Errorf("%+v", v)
	}
}

// slowQueue is a store whose queue is read when the test lets it.
type slowQueue struct {
	jobs.Store
	reads chan chan struct{}
}

func (s slowQueue) Queue(ctx context.Context, owner string, now time.Time) (jobs.Queue, error) {
	done := make(chan struct{})
	s.reads <- done
	select {
	case <-done:
		return s.Store.Queue(ctx, owner, now)
	case <-ctx.Done():
		return jobs.Queue{}, ctx.Err()
	}
}

// A queue that takes long to read delays a response by two seconds at most.
func TestQueueReadsSlowly(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustUpload(t, "a.mp4")
	slow := slowQueue{s.Jobs, make(chan chan struct{}, 9)}
	s.Jobs = slow
	if v := s.getJob(t, j.ID); v.State != jobs.Queued || v.QueuePosition != nil {
		t.Errorf("%+v", v)
	}
}

// Requests of one owner at the same time read the queue once.
func TestQueueIsReadOnce(t *testing.T) {
	s := newTestGateway(t, nil)
	slow := slowQueue{s.Jobs, make(chan chan struct{}, 9)}
	s.Jobs = slow
	result := make(chan error)
	go func() {
		_, err := s.readQueue(t.Context(), "anna", time.Now())
		result <- err
	}()
	first := <-slow.reads
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the second request joins the first, and leaves at once
	if _, err := s.readQueue(ctx, "anna", time.Now()); !errors.Is(err, context.Canceled) || len(slow.reads) > 0 {
		t.Errorf("%v, %d more reads", err, len(slow.reads))
	}
	close(first)
	if err := <-result; err != nil {
		t.Errorf("the first request: %v", err)
	}
}
