package id

import (
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNewIsUniqueAcrossGoroutines(t *testing.T) {
	const each, workers = 1000, 8
	var seen sync.Map
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if _, dup := seen.LoadOrStore(New(), true); dup {
					t.Error("New returned the same identifier twice")
				}
			}
		})
	}
	wg.Wait()
}

func TestBefore(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	if got := at(now); got < Before(now) {
		t.Errorf("identifier %s sorts below its own second %s", got, Before(now))
	}
	if got := at(now.Add(-time.Second)); got >= Before(now) {
		t.Errorf("identifier %s of the second before sorts above %s", got, Before(now))
	}
}

func TestValid(t *testing.T) {
	for s, want := range map[string]bool{
		New():                       true,
		"":                          false,
		"0123456789abcdef0123456":   false,
		"0123456789ABCDEF01234567":  false,
		"0123456789abcdef0123456g":  false,
		strings.Repeat("a", 25):     false,
		"../../../../../etc/passwd": false,
	} {
		if Valid(s) != want {
			t.Errorf("Valid(%q) = %v, want %v", s, !want, want)
		}
	}
}
