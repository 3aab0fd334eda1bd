// Package outages lets stores, disks, networks and processes of a running service fail
// while videos are uploaded, and checks that every promise is kept. FAULTS=all runs all
// faults of both sets of stores; otherwise some faults of the one program run.
package outages

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"mp3converter/test/faults/service"
)

var all = os.Getenv("FAULTS") == "all"

// fault is one entry of the table.
type fault struct {
	name   string
	inject func(t *testing.T)
	heal   func(t *testing.T)
	during time.Duration
	// load runs during the fault: uploads if nil.
	load func(ctx context.Context, u *service.User, l *service.Ledger)
}

const (
	uploadsBefore = 3
	uploaders     = 2 // at a time, during the fault
	uploadsAfter  = 2
)

// run injects the fault while videos are uploaded, and returns the ledger of it.
func (f fault) run(t *testing.T, s *service.Service, u *service.User) *service.Ledger {
	t.Helper()
	began := time.Now()
	ctx := t.Context()
	l := s.NewLedger(f.name)
	upload := func(n int) {
		for i := range n {
			kind := service.Good
			if i == 1 {
				kind = service.Silent
			}
			if _, err := u.MustUpload(ctx, l, kind); err != nil {
				t.Errorf("%s: an upload without a fault: %v", f.name, err)
			}
		}
	}
	upload(uploadsBefore)
	var wg sync.WaitGroup
	l.Disturb(func() {
		f.inject(t)
		end := time.Now().Add(f.during)
		load := f.load
		if load == nil {
			load = func(ctx context.Context, u *service.User, l *service.Ledger) {
				if _, err := u.Upload(ctx, l, service.Good); err != nil {
					time.Sleep(200 * time.Millisecond) // refused, or the answer was lost: not accepted
				}
			}
		}
		for range uploaders {
			wg.Go(func() {
				for time.Now().Before(end) {
					load(ctx, u, l)
					time.Sleep(500 * time.Millisecond)
				}
			})
		}
		time.Sleep(time.Until(end))
		f.heal(t)
	})
	wg.Wait()
	s.WaitReady(t)
	upload(uploadsAfter)
	l.Settle(ctx)
	t.Logf("%5.1f s  %s: %+v", time.Since(began).Seconds(), f.name, l.Row())
	return l
}

// join returns a user who is logged in.
func join(t *testing.T, s *service.Service) *service.User {
	t.Helper()
	u := s.NewUser(t)
	if err := u.Join(t.Context(), "user@example.com"); err != nil {
		t.Fatal(err)
	}
	return u
}

// kill returns a fault that kills one process after the other.
func kill(s *service.Service, name string, during time.Duration, names ...string) fault {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	return fault{
		name: name, during: during,
		inject: func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("%s: seed %d", name, seed)
			r := rand.New(rand.NewPCG(seed, 0))
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(500+r.IntN(1500)) * time.Millisecond):
						s.Processes[names[r.IntN(len(names))]].Kill()
					}
				}
			})
		},
		heal: func(*testing.T) { close(stop); wg.Wait() },
	}
}

// registrations is a load of new users.
func registrations(s *service.Service, t *testing.T) func(context.Context, *service.User, *service.Ledger) {
	var mu sync.Mutex
	n := 0
	return func(ctx context.Context, u *service.User, l *service.Ledger) {
		mu.Lock()
		n++
		email := fmt.Sprintf("new%d-%d@example.com", n, time.Now().UnixNano())
		mu.Unlock()
		other := s.NewUser(t)
		if err := other.Join(ctx, email); err != nil {
			t.Errorf("a new user: %v", err)
		}
		if _, err := u.Upload(ctx, l, service.Good); err != nil {
			t.Errorf("an upload with a token needs no users: %v", err)
		}
	}
}
