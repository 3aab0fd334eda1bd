package crash

import (
	"context"
	"time"

	"mp3converter/shared/jobs"
)

type jobStore struct {
	store   jobs.Store
	control Control
}

var _ jobs.Store = jobStore{}

// Jobs wraps a store of records.
func Jobs(s jobs.Store, c Control) jobs.Store { return jobStore{s, c} }

func (s jobStore) Create(ctx context.Context, j jobs.Job) error {
	err := s.store.Create(ctx, j)
	if err == nil {
		s.control.pass("jobs.Create")
	}
	return err
}

func (s jobStore) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	var before, after jobs.Job
	j, err := s.store.Update(ctx, id, func(j *jobs.Job) error {
		before = *j
		err := change(j)
		after = *j
		return err
	})
	if err == nil {
		s.control.pass("jobs.Update " + describe(before, after))
	}
	return j, err
}

// describe names the rule that has changed a record by what it changed.
func describe(before, after jobs.Job) string {
	switch {
	case before.State != after.State:
		return string(before.State) + " to " + string(after.State)
	case before.Notification.EndedAt != after.Notification.EndedAt:
		return "notification " + after.Notification.Outcome
	case before.Notification.Attempts != after.Notification.Attempts:
		return "notification claimed"
	case before.VideoUntil != after.VideoUntil:
		return "video given up"
	case before.Wakes != after.Wakes:
		return "wake-up sent"
	case before.Lease != after.Lease:
		return "lease renewed"
	}
	return string(after.State)
}

func (s jobStore) Delete(ctx context.Context, id string) error {
	_, getErr := s.store.Get(ctx, id)
	err := s.store.Delete(ctx, id)
	if err == nil && getErr == nil {
		s.control.pass("jobs.Delete")
	}
	return err
}

func (s jobStore) Get(ctx context.Context, id string) (jobs.Job, error) { return s.store.Get(ctx, id) }

func (s jobStore) ByKey(ctx context.Context, owner, key string) (jobs.Job, error) {
	return s.store.ByKey(ctx, owner, key)
}

func (s jobStore) List(ctx context.Context, owner string, f jobs.Filter, limit int) ([]jobs.Job, error) {
	return s.store.List(ctx, owner, f, limit)
}

func (s jobStore) Due(ctx context.Context, now time.Time, limit int) ([]jobs.Job, error) {
	return s.store.Due(ctx, now, limit)
}

func (s jobStore) Next(ctx context.Context, now time.Time) (jobs.Job, error) {
	return s.store.Next(ctx, now)
}

func (s jobStore) Queue(ctx context.Context, owner string, now time.Time) (jobs.Queue, error) {
	return s.store.Queue(ctx, owner, now)
}

func (s jobStore) Usage(ctx context.Context, owner string) (jobs.Usage, error) {
	return s.store.Usage(ctx, owner)
}

func (s jobStore) Count(ctx context.Context, now, since time.Time) (jobs.Counts, error) {
	return s.store.Count(ctx, now, since)
}

func (s jobStore) CountMail(ctx context.Context, address, job string, limit int, now time.Time) (int, error) {
	n, err := s.store.CountMail(ctx, address, job, limit, now)
	if err == nil {
		s.control.pass("jobs.CountMail")
	}
	return n, err
}

func (s jobStore) Now() time.Time { return s.store.Now() }

func (s jobStore) Ping(ctx context.Context) error { return s.store.Ping(ctx) }
