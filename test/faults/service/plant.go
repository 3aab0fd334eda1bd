package service

import (
	"bytes"
	"context"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
)

// old is the age of the orphans that are planted: more than any ORPHAN_AGE.
const old = 48 * time.Hour

// PlantDue stores jobs that are due for each of the janitor's reasons.
func (u *User) PlantDue(ctx context.Context, l *Ledger, s *Service) error {
	now := jobs.Truncate(time.Now())
	// In the order in which the janitor finds them.
	exhausted := jobs.Job{State: jobs.Queued, Attempts: 5, DueAt: now.Add(-4 * time.Hour)}
	unnotified := jobs.Job{State: jobs.Failed, Failure: conversion.NoAudio, FinishedAt: now, ExpiresAt: now.Add(time.Hour), DueAt: now.Add(-3 * time.Hour)}
	expired := jobs.Job{State: jobs.Failed, Failure: conversion.NoAudio, FinishedAt: now.Add(-old), ExpiresAt: now.Add(-2 * time.Hour), DueAt: now.Add(-2 * time.Hour)}
	expired.Notification = jobs.Notification{EndedAt: now.Add(-old), Outcome: jobs.NotificationSent}
	for _, p := range []struct {
		job          jobs.Job
		kind         Kind
		video, audio bool
	}{
		{exhausted, Exhausted, true, false}, {unnotified, Silent, false, false}, {expired, Deleted, true, true},
	} {
		if err := u.plant(ctx, l, s, p.job, p.kind, p.video, p.audio); err != nil {
			return err
		}
	}
	return u.PlantQueued(ctx, l, s)
}

// PlantQueued stores a job whose wake-up is lost.
func (u *User) PlantQueued(ctx context.Context, l *Ledger, s *Service) error {
	return u.plant(ctx, l, s, jobs.Job{State: jobs.Queued, DueAt: jobs.Truncate(time.Now().Add(-time.Hour))}, Good, true, false)
}

func (u *User) plant(ctx context.Context, l *Ledger, s *Service, j jobs.Job, kind Kind, video, audio bool) error {
	j.ID, j.Owner, j.Name, j.CreatedAt = id.New(), u.Subject, "short.mp4", jobs.Truncate(time.Now())
	put := func(store media.Store) (jobs.File, error) {
		o, err := store.Put(ctx, media.Object{ID: id.New(), Job: j.ID, Name: j.Name}, bytes.NewReader(u.video))
		return jobs.File{ID: o.ID, Size: o.Size}, err
	}
	var err error
	if video {
		if j.Video, err = put(s.Videos); err != nil {
			return err
		}
	}
	if audio {
		if j.Audio, err = put(s.Audio); err != nil {
			return err
		}
	}
	if err := s.Jobs.Create(ctx, j); err != nil {
		return err
	}
	l.Accept(j.ID, kind)
	return nil
}

// PlantOrphans stores files that no record names, and that are old.
func (u *User) PlantOrphans(ctx context.Context, s *Service) error {
	for _, store := range []media.Store{s.Videos, s.Audio} {
		o, err := store.Put(ctx, media.Object{ID: id.New(), Job: id.New(), Name: "orphan"}, bytes.NewReader(u.video))
		if err != nil {
			return err
		}
		o.CreatedAt = time.Now().Add(-old).UTC().Truncate(time.Millisecond)
		if err := s.backdate(ctx, store, o); err != nil {
			return err
		}
	}
	return nil
}
