// Package jobstest is the contract suite of jobs.Store.
package jobstest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
)

// Policy is the policy of the tests.
var Policy = jobs.Policy{
	MaxAttempts: 3,
	MaxDeaths:   3,
	MaxAge:      24 * time.Hour,
	RetryMax:    time.Minute,
	Lease:       time.Minute,
	Wake:        time.Minute,
	WakeMax:     time.Hour,
	Retention:   24 * time.Hour,
	KeepFailed:  6 * time.Hour,
	UploadTTL:   time.Hour,
}

// Run tests a store. Each call of open returns a new empty one, which it closes with
// t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) jobs.Store) {
	for name, test := range map[string]func(*testing.T, jobs.Store){
		"RoundTrip":           testRoundTrip,
		"CreateExists":        testCreateExists,
		"NotFound":            testNotFound,
		"Update":              testUpdate,
		"UpdateRefused":       testUpdateRefused,
		"Delete":              testDelete,
		"List":                testList,
		"ListPages":           testListPages,
		"ListFiltered":        testListFiltered,
		"ListText":            testListText,
		"Queue":               testQueue,
		"QueueAgreesWithNext": testQueueAgreesWithNext,
		"Due":                 testDue,
		"DueFollowsUpdate":    testDueFollowsUpdate,
		"Next":                testNext,
		"NextPaused":          testNextPaused,
		"Uploading":           testUploading,
		"IdempotencyKey":      testIdempotencyKey,
		"SameKeyAtOnce":       testSameKeyAtOnce,
		"Usage":               testUsage,
		"Count":               testCount,
		"Now":                 testNow,
		"Cancelled":           testCancelled,
		"Ping":                testPing,
		"CountMail":           testCountMail,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	t.Run("Concurrent", func(t *testing.T) {
		s := open(t)
		RunConcurrent(t, s, s)
	})
}

// now is a fixed time with milliseconds.
var now = time.Date(2024, 2, 29, 23, 59, 58, 987e6, time.UTC)

// job returns a new queued job.
func job(owner string) jobs.Job {
	j := jobs.Job{
		ID:    id.New(),
		Owner: owner,
		Email: owner + "@example.com",
		Name:  "holiday.mp4",
		Video: jobs.File{ID: id.New(), Size: 1 << 20},
	}
	j.Enqueue(Policy, now)
	return j
}

// full returns a job with every field set.
func full() jobs.Job {
	at := func(n int) time.Time { return now.Add(time.Duration(n) * time.Millisecond) }
	return jobs.Job{
		ID: id.New(), Owner: "ann", Email: "ann@example.com", Name: "Grüße “1” \\ 世界 \U0001F3B5.mp4",
		Tag: "album 3", IdempotencyKey: "k \"1\"", BodyDigest: "sha-256:1",
		State: jobs.Failed, Progress: 37, Attempts: 2, Deaths: 1, Retries: 3, Failure: conversion.NoAudio,
		Video: jobs.File{ID: id.New(), Size: 5 << 40}, Audio: jobs.File{ID: id.New(), Size: 1},
		Options: conversion.Options{
			Bitrate: 128, Quality: new(4), SampleRate: 44100, Channels: 1, Normalize: true, Start: 1.5, End: 61.25, Track: "deu",
			Title: "T\u00e4st \"1\"", Artist: "A", Album: "B", Comment: "C", Cover: conversion.CoverFrame, NoChapters: true, Salvage: true,
		},
		MediaInfo: &conversion.MediaInfo{
			Container: "mov,mp4", Codec: "aac", Duration: 90*time.Minute + time.Nanosecond, SampleRate: 44100, Channels: 2,
			Tracks: []conversion.Track{{Codec: "aac", Language: "deu", Title: "Commentary", SampleRate: 48000, Channels: 6}},
			Tags:   map[string]string{"title": "with.dots and $dollars"}, Missing: 24 * time.Second,
		},
		Lease:        jobs.Lease{Holder: id.New(), Until: at(1), Draining: true, Wanted: true},
		Wakes:        4,
		Notification: jobs.Notification{Lease: jobs.Lease{Holder: id.New(), Until: at(2)}, Attempts: 3, Notified: []string{"mail", "webhook"}, EndedAt: at(3), Outcome: "sent"},
		LinkEpoch:    1 << 40,
		Resumable:    &jobs.Resumable{Metadata: "filename YQ==", HeadChecked: true, UnverifiedFrom: new(int64(5 << 40))},
		NotifyURL:    "https://example.com/hook?token=1",
		Deliveries: []jobs.Delivery{{
			ID: id.New(), Target: jobs.TargetUser, URL: "https://example.com/", State: jobs.DeliveryFailed, CreatedAt: at(6), Since: at(7), Tries: 11,
			Log: []jobs.DeliveryAttempt{{At: at(8), Status: 503, Error: "status 503", Milliseconds: 12}},
		}},

		CreatedAt: at(4), StartedAt: at(5), FinishedAt: at(6), ExpiresAt: at(7), DueAt: at(8), NotBefore: at(9), VideoUntil: at(10), RetriedAt: at(11),
	}
}

func testRoundTrip(t *testing.T, s jobs.Store) {
	v := reflect.ValueOf(full())
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Revision" {
			t.Fatalf("field %s is not set by the test", name)
		}
	}
	for name, want := range map[string]jobs.Job{
		"full":  full(),
		"fresh": job("ann"),
		"empty": {ID: id.New()},
	} {
		create(t, s, want)
		got, err := s.Get(t.Context(), want.ID)
		if err != nil {
			t.Fatalf("%s: Get: %v", name, err)
		}
		same(t, name, got, want)
	}
}

func testCreateExists(t *testing.T, s jobs.Store) {
	want := job("ann")
	create(t, s, want)
	other := job("bob")
	other.ID = want.ID
	if err := s.Create(t.Context(), other); !errors.Is(err, jobs.ErrExists) {
		t.Errorf("second Create: %v, want %v", err, jobs.ErrExists)
	}
	same(t, "after second Create", get(t, s, want.ID), want)
}

func testNotFound(t *testing.T, s jobs.Store) {
	create(t, s, job("ann"))
	for _, missing := range []string{id.New(), "", "no such job", "$ne"} {
		if _, err := s.Get(t.Context(), missing); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("Get(%q): %v, want %v", missing, err, jobs.ErrNotFound)
		}
		_, err := s.Update(t.Context(), missing, func(*jobs.Job) error {
			t.Errorf("Update(%q) called its function for a missing job", missing)
			return nil
		})
		if !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("Update(%q): %v, want %v", missing, err, jobs.ErrNotFound)
		}
	}
}

func testUpdate(t *testing.T, s jobs.Store) {
	want, bystander := job("ann"), job("ann")
	create(t, s, want)
	create(t, s, bystander)
	for revision := range 3 {
		holder := fmt.Sprint("worker ", revision)
		claim := func(j *jobs.Job) error {
			j.ID, j.Revision = "another", 77 // the store's own: has no effect
			return j.Claim(Policy, holder, now.Add(time.Duration(revision)*time.Hour))
		}
		got, err := s.Update(t.Context(), want.ID, claim)
		if err != nil {
			t.Fatalf("Update: %v", err)
		}
		if err := claim(&want); err != nil {
			t.Fatal(err)
		}
		want.ID, want.Revision = got.ID, int64(revision+1)
		same(t, "Update", got, want)
		same(t, "Get after Update", get(t, s, got.ID), want)
	}
	same(t, "the other job", get(t, s, bystander.ID), bystander)
}

func testUpdateRefused(t *testing.T, s jobs.Store) {
	want := job("ann")
	create(t, s, want)
	refusal := errors.New("not this time")
	_, err := s.Update(t.Context(), want.ID, func(j *jobs.Job) error {
		j.Name, j.DueAt = "changed", now.Add(time.Hour)
		return refusal
	})
	if err != refusal {
		t.Errorf("Update: %v, want the unwrapped error of the change", err)
	}
	same(t, "after refusal", get(t, s, want.ID), want)
}

func testDelete(t *testing.T, s jobs.Store) {
	gone, stays := job("ann"), job("ann")
	create(t, s, gone)
	create(t, s, stays)
	for range 2 {
		if err := s.Delete(t.Context(), gone.ID); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
	if _, err := s.Get(t.Context(), gone.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Get after Delete: %v, want %v", err, jobs.ErrNotFound)
	}
	same(t, "the other job", get(t, s, stays.ID), stays)
}

func testCancelled(t *testing.T, s jobs.Store) {
	want := job("ann")
	create(t, s, want)
	fresh := job("ann")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Create": func() error { return s.Create(ctx, fresh) },
		"Get":    func() error { _, err := s.Get(ctx, want.ID); return err },
		"Update": func() error {
			_, err := s.Update(ctx, want.ID, func(j *jobs.Job) error { j.Wakes++; return nil })
			return err
		},
		"Delete": func() error { return s.Delete(ctx, want.ID) },
		"ByKey":  func() error { _, err := s.ByKey(ctx, "ann", "1"); return err },
		"List":   func() error { _, err := s.List(ctx, "ann", jobs.Filter{}, 1); return err },
		"Due":    func() error { _, err := s.Due(ctx, now, 1); return err },
		"Next":   func() error { _, err := s.Next(ctx, now); return err },
		"Queue":  func() error { _, err := s.Queue(ctx, "ann", now); return err },
		"Usage":  func() error { _, err := s.Usage(ctx, "ann"); return err },
		"Count":  func() error { _, err := s.Count(ctx, now, now); return err },
		"Ping":   func() error { return s.Ping(ctx) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", name, err, context.Canceled)
		}
	}
	same(t, "afterwards", get(t, s, want.ID), want)
	if _, err := s.Get(t.Context(), fresh.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Get after a cancelled Create: %v, want %v", err, jobs.ErrNotFound)
	}

	// Nothing is stored either if the context ends during the change.
	ctx, cancel = context.WithCancel(t.Context())
	_, err := s.Update(ctx, want.ID, func(j *jobs.Job) error {
		j.Wakes++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Update cancelled during the change: %v, want %v", err, context.Canceled)
	}
	same(t, "after that", get(t, s, want.ID), want)
}

func testPing(t *testing.T, s jobs.Store) {
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

func create(t *testing.T, s jobs.Store, j jobs.Job) {
	t.Helper()
	if err := s.Create(t.Context(), j); err != nil {
		t.Fatalf("Create: %v", err)
	}
}

func get(t *testing.T, s jobs.Store, id string) jobs.Job {
	t.Helper()
	j, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return j
}

// same compares including time zones.
func same(t *testing.T, what string, got, want jobs.Job) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
