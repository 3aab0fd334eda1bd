// Package webhookstest is the contract suite of stores of webhook settings.
package webhookstest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/webhooks"
)

// Run runs the suite. newStore returns an empty store.
func Run(t *testing.T, newStore func(t *testing.T) webhooks.Store) {
	for name, test := range map[string]func(*testing.T, webhooks.Store){
		"RoundTrip": testRoundTrip, "Refused": testRefused, "Delete": testDelete, "Cancelled": testCancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, newStore(t)) })
	}
}

var at = time.Date(2026, 2, 28, 23, 59, 58, 987e6, time.UTC)

func full() webhooks.Settings {
	return webhooks.Settings{
		Owner: "ann", Revision: 1, URL: "https://example.com/hook?a=1&b=ü",
		Secrets:      []webhooks.Secret{{Value: "whsec_b", CreatedAt: at}, {Value: "whsec_a", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}},
		FailingSince: at.Add(time.Minute), DisabledAt: at.Add(time.Hour), DisabledReason: "status 410",
	}
}

func testRoundTrip(t *testing.T, s webhooks.Store) {
	want := full()
	for name, owner := range map[string]string{"full": "ann", "another": "$ne"} {
		want.Owner = owner
		if _, err := s.Get(t.Context(), owner); !errors.Is(err, webhooks.ErrNotFound) {
			t.Errorf("%s: Get before Update: %v", name, err)
		}
		for want.Revision = 1; want.Revision < 4; want.Revision++ {
			got, err := s.Update(t.Context(), owner, func(c *webhooks.Settings) error {
				if c.Revision != want.Revision-1 {
					t.Errorf("%s: change of revision %d, want %d", name, c.Revision, want.Revision-1)
				}
				*c = full()
				c.Owner, c.Revision = "bob", 77 // the store's own: has no effect
				return nil
			})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: Update:\n got %+v, %v\nwant %+v", name, got, err, want)
			}
			if got, err = s.Get(t.Context(), owner); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: Get:\n got %+v, %v\nwant %+v", name, got, err, want)
			}
		}
	}
}

func testRefused(t *testing.T, s webhooks.Store) {
	refusal := errors.New("not this time")
	for range 2 {
		_, err := s.Update(t.Context(), "ann", func(c *webhooks.Settings) error { c.URL = "changed"; return refusal })
		if err != refusal {
			t.Errorf("Update: %v, want the unwrapped error of the change", err)
		}
		if got, _ := s.Get(t.Context(), "ann"); got.URL == "changed" {
			t.Error("a refused change was stored")
		}
		if _, err := s.Update(t.Context(), "ann", func(*webhooks.Settings) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

func testDelete(t *testing.T, s webhooks.Store) {
	for _, owner := range []string{"ann", "bob"} {
		if _, err := s.Update(t.Context(), owner, func(c *webhooks.Settings) error { *c = full(); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Delete(t.Context(), "ann"); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
	if _, err := s.Get(t.Context(), "ann"); !errors.Is(err, webhooks.ErrNotFound) {
		t.Errorf("Get after Delete: %v", err)
	}
	if _, err := s.Get(t.Context(), "bob"); err != nil {
		t.Errorf("another user: %v", err)
	}
}

func testCancelled(t *testing.T, s webhooks.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, "ann")
	_, updateErr := s.Update(ctx, "ann", func(*webhooks.Settings) error { return nil })
	for name, err := range map[string]error{"Get": getErr, "Update": updateErr, "Delete": s.Delete(ctx, "ann")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", name, err, context.Canceled)
		}
	}
}

// RunConcurrent changes the settings of one user, who has none at first, through two
// stores at the same time. No change may be lost.
func RunConcurrent(t *testing.T, a, b webhooks.Store) {
	const writers, changes = 4, 5
	var wg sync.WaitGroup
	for i := range writers {
		s := a
		if i%2 == 1 {
			s = b
		}
		wg.Go(func() {
			for range changes {
				_, err := s.Update(t.Context(), "ann", func(c *webhooks.Settings) error { c.URL += "x"; return nil })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := a.Get(t.Context(), "ann")
	if err != nil || len(got.URL) != writers*changes || got.Revision != writers*changes {
		t.Errorf("after %d changes: %+v, %v", writers*changes, got, err)
	}
}
