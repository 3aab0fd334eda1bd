package main

import (
	"context"
	"sync"
	"time"
)

// moment is the state of things at one moment of a burst.
type moment struct {
	Seconds    float64        `json:"seconds"`
	Waiting    float64        `json:"waiting"`    // messages in the queue
	Delivered  float64        `json:"delivered"`  // messages with the source
	Converting int            `json:"converting"` // jobs being worked on
	Done       int            `json:"done"`
	Ready      map[string]int `json:"ready"` // pods, by function
}

// watch takes a sample every second, beside what is going on.
type watch struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mu       sync.Mutex
	expected []string
	samples  []moment
}

func (b *bench) watch(ctx context.Context) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		start, ticker := time.Now(), time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			b.look(ctx, w, start)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return w
}

// look adds one sample. What cannot be told at the moment stays as it was.
func (b *bench) look(ctx context.Context, w *watch, start time.Time) {
	w.mu.Lock()
	expected := w.expected
	var m moment
	if n := len(w.samples); n > 0 {
		m = w.samples[n-1]
	}
	w.mu.Unlock()
	m.Seconds = time.Since(start).Seconds()
	if p, err := b.cluster.pods(ctx); err == nil {
		m.Ready = p.ready
	}
	if waiting, delivered, err := b.cluster.queue(ctx, "video"); err == nil {
		m.Waiting, m.Delivered = waiting, delivered
	}
	// Asking the gateway for longer would keep it awake.
	if n := len(expected); n > 0 && m.Done < n {
		if all, err := b.client.jobs(ctx); err == nil {
			m.Done, m.Converting = 0, 0
			for _, id := range expected {
				switch all[id].State {
				case "done":
					m.Done++
				case "converting":
					m.Converting++
				}
			}
		}
	}
	w.mu.Lock()
	w.samples = append(w.samples, m)
	w.mu.Unlock()
}

func (w *watch) expect(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected = append(w.expected[:len(w.expected):len(w.expected)], id)
}

// most is the highest number of pods of a function that were ready.
func (w *watch) most(function string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	most := 0
	for _, m := range w.samples {
		most = max(most, m.Ready[function])
	}
	return most
}

func (w *watch) stop() {
	w.cancel()
	<-w.ended
}
