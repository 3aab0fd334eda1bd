package main

import (
	"context"
	"sync"
	"time"
)

// sample is the state of queue, pods and jobs at one moment of a burst.
type sample struct {
	Seconds    float64        `json:"seconds"`
	Waiting    float64        `json:"waiting"`    // messages in the queue
	Delivered  float64        `json:"delivered"`  // messages delivered to the source, not acknowledged
	Converting int            `json:"converting"` // jobs
	Done       int            `json:"done"`
	Ready      map[string]int `json:"ready"` // pods, by function
}

// timeline takes a sample every second in the background.
type timeline struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	jobs    []string
	samples []sample
}

func (s *suite) startTimeline(ctx context.Context) *timeline {
	ctx, cancel := context.WithCancel(ctx)
	t := &timeline{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		start, ticker := time.Now(), time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			s.takeSample(ctx, t, start)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return t
}

// takeSample adds one sample. A value that cannot be read is copied from the
// previous sample.
func (s *suite) takeSample(ctx context.Context, t *timeline, start time.Time) {
	t.mu.Lock()
	ids := t.jobs
	var next sample
	if n := len(t.samples); n > 0 {
		next = t.samples[n-1]
	}
	t.mu.Unlock()
	next.Seconds = time.Since(start).Seconds()
	if p, err := s.cluster.pods(ctx); err == nil {
		next.Ready = p.ready
	}
	if waiting, delivered, err := s.cluster.queue(ctx, "video"); err == nil {
		next.Waiting, next.Delivered = waiting, delivered
	}
	// Once all jobs are done, further requests would keep the gateway from scaling
	// to zero.
	if n := len(ids); n > 0 && next.Done < n {
		if jobs, err := s.user.jobs(ctx); err == nil {
			next.Done, next.Converting = 0, 0
			for _, id := range ids {
				switch jobs[id].State {
				case "done":
					next.Done++
				case "converting":
					next.Converting++
				}
			}
		}
	}
	t.mu.Lock()
	t.samples = append(t.samples, next)
	t.mu.Unlock()
}

// addJob adds a job whose state is sampled.
func (t *timeline) addJob(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.jobs = append(t.jobs[:len(t.jobs):len(t.jobs)], id)
}

// maxReady returns the highest number of ready pods of a function.
func (t *timeline) maxReady(function string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, s := range t.samples {
		n = max(n, s.Ready[function])
	}
	return n
}

func (t *timeline) stop() {
	t.cancel()
	<-t.ended
}
