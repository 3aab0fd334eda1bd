package api

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mp3converter/shared/problem"
)

func mustAcquire(t *testing.T, p *pool, user string) (release func()) {
	t.Helper()
	release, err := p.acquire(t.Context(), user)
	if err != nil {
		t.Fatalf("%s got no place: %v", user, err)
	}
	return release
}

// However many requests of a user wait, another user's are not behind them.
func TestPoolIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(poolLimits{running: 2, userRunning: 1, waiting: 100, userWaiting: 50, wait: time.Minute})
		releases := []func(){mustAcquire(t, p, "anna"), mustAcquire(t, p, "carl")}
		served := make(chan string, 10)
		wait := func(user string) {
			go func() {
				release, err := p.acquire(t.Context(), user)
				if err != nil {
					t.Error(err)
					return
				}
				served <- user
				time.Sleep(time.Second)
				release()
			}()
			synctest.Wait()
		}
		for range 5 {
			wait("anna")
		}
		wait("bert")
		for _, release := range releases {
			release()
		}
		time.Sleep(time.Minute)
		var order []string
		for len(served) > 0 {
			order = append(order, <-served)
		}
		if len(order) != 6 || !slices.Contains(order[:2], "bert") {
			t.Errorf("served in the order %v; bert must be one of the first two", order)
		}
		if p.count() != 0 || len(p.users) != 0 {
			t.Errorf("%d requests and %d users are left", p.count(), len(p.users))
		}
	})
}

func TestPoolRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		limits poolLimits
		before []string // who have a place or wait for one
		took   time.Duration
		want   problem.Kind
	}{
		"the user's places, after the wait": {poolLimits{running: 2, userRunning: 1, waiting: 9, userWaiting: 9, wait: time.Minute}, []string{"anna"}, time.Minute, problem.TooManyRequests},
		"all places, after the wait":        {poolLimits{running: 2, userRunning: 1, waiting: 9, userWaiting: 9, wait: time.Minute}, []string{"bert", "carl"}, time.Minute, problem.Busy},
		"too many of the user wait":         {poolLimits{running: 2, userRunning: 1, waiting: 9, userWaiting: 1, wait: time.Minute}, []string{"anna", "anna"}, 0, problem.TooManyRequests},
		"too many wait":                     {poolLimits{running: 2, userRunning: 1, waiting: 1, userWaiting: 9, wait: time.Minute}, []string{"bert", "bert", "carl"}, 0, problem.Busy},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(c.limits)
				ctx, cancel := context.WithCancel(t.Context())
				for _, user := range c.before {
					go func() {
						release, err := p.acquire(ctx, user)
						if err != nil {
							return // has waited
						}
						<-ctx.Done()
						release()
					}()
					synctest.Wait()
				}
				begun := time.Now()
				_, err := p.acquire(t.Context(), "anna")
				if !errors.Is(err, c.want) {
					t.Errorf("error %v, want %s", err, c.want.Code)
				}
				if took := time.Since(begun); took != c.took {
					t.Errorf("refused after %v, want %v", took, c.took)
				}
				cancel()
				synctest.Wait()
				if p.count() != 0 || len(p.users) != 0 {
					t.Errorf("%d requests and %d users are left", p.count(), len(p.users))
				}
			})
		})
	}
}

// A client that leaves while it waits is not refused, and frees what it held.
func TestPoolWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(poolLimits{running: 1, userRunning: 1, waiting: 9, userWaiting: 9, wait: time.Minute})
		release := mustAcquire(t, p, "anna")
		for _, user := range []string{"anna", "bert"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := p.acquire(ctx, user); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: error %v, want that of the context", user, err)
			}
			cancel()
		}
		release()
		for _, user := range []string{"anna", "bert"} {
			mustAcquire(t, p, user)()
		}
	})
}

func TestPace(t *testing.T) {
	type step struct {
		n    int64
		took time.Duration
	}
	const limit, rate = 60 * time.Second, 4096
	for name, c := range map[string]struct {
		steps []step
		want  time.Duration // the credit
	}{
		"new":                {nil, limit},
		"no data":            {[]step{{0, 59 * time.Second}}, time.Second},
		"at the rate":        {[]step{{rate * 30, 30 * time.Second}, {rate * 30, 30 * time.Second}}, limit},
		"half the rate":      {[]step{{rate * 10, 20 * time.Second}, {rate * 10, 20 * time.Second}}, 40 * time.Second},
		"fast, then nothing": {[]step{{rate * 1e6, time.Second}, {0, 60 * time.Second}}, 0},
		"slow, then fast":    {[]step{{0, 50 * time.Second}, {rate * 20, time.Second}}, 29 * time.Second},
	} {
		p := &pace{rate: rate, limit: limit, credit: limit}
		for _, s := range c.steps {
			p.record(s.n, s.took)
		}
		if p.credit != c.want {
			t.Errorf("%s: credit %v, want %v", name, p.credit, c.want)
		}
	}
}
