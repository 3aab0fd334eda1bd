package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
)

// minAge is how old a file must be to be looked at, unless ORPHAN_AGE is less. It
// exceeds the time between storing a file and recording it, which timeouts limit to
// about a minute, and the differences between clocks.
const minAge = 10 * time.Minute

// RemoveOrphans removes files that no job needs: MP3s of a converter that died between
// storing and recording one, videos of uploads whose record could not be written,
// files left by an interrupted deletion, and the remains of interrupted uploads. What
// fails does not keep the rest from being done.
func (s *Janitor) RemoveOrphans(ctx context.Context) (Report, error) {
	var report Report
	var failed []error
	now := s.jobs.Now()
	for _, store := range []struct {
		name  string
		media media.Store
		// orphan reports whether an object can be removed; j is its job, or nil.
		orphan func(o media.Object, j *jobs.Job) bool
		keep   func(id string) bool // incomplete objects; nil keeps none
	}{
		{"videos", s.videos, func(o media.Object, j *jobs.Job) bool {
			if j == nil { // its record may still be about to appear
				return o.CreatedAt.Before(now.Add(-s.config.OrphanAge))
			}
			return !j.NeedsVideo() || j.Video.ID != o.ID
		}, func(id string) bool { return s.isUploading(ctx, id) }},
		{"MP3s", s.audio, func(o media.Object, j *jobs.Job) bool {
			if j == nil {
				return true
			}
			// A converter may still be trying to record its MP3.
			return j.State != jobs.Converting && j.Audio.ID != o.ID
		}, nil},
	} {
		n, err := s.removeOrphans(ctx, store.media, store.orphan, now.Add(-min(minAge, s.config.OrphanAge)))
		report.Orphans += n
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", store.name, err))
		}
		n, err = store.media.Sweep(ctx, now.Add(-s.config.OrphanAge), store.keep)
		report.Orphans += n
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: incomplete objects: %w", store.name, err))
		}
	}
	return report, errors.Join(failed...)
}

func (s *Janitor) removeOrphans(ctx context.Context, store media.Store, orphan func(media.Object, *jobs.Job) bool, before time.Time) (int, error) {
	removed, after := 0, ""
	b := s.newBreaker("orphans", unlimited)
	for range maxBatches {
		objects, err := store.List(ctx, before, after, batchSize)
		if err != nil {
			return removed, errors.Join(err, b.err())
		}
		for _, o := range objects {
			after = o.ID
			err := b.do(o.Job, func() error {
				j, err := s.find(ctx, o.Job)
				if err != nil || !orphan(o, j) {
					return err
				}
				if err := store.Delete(ctx, o.ID); err != nil {
					return fmt.Errorf("delete %s: %w", o.ID, err)
				}
				slog.InfoContext(ctx, "orphan removed", "job", o.Job, "object", o.ID, "bytes", o.Size)
				removed++
				return nil
			})
			if errors.Is(err, errSkipped) || ctx.Err() != nil {
				return removed, errors.Join(b.err(), ctx.Err())
			}
		}
		if len(objects) < batchSize {
			break
		}
	}
	return removed, b.err()
}

// isUploading reports whether an incomplete video belongs to a resumable upload, which
// has the same identifier. UPLOAD_TTL says when those are deleted.
func (s *Janitor) isUploading(ctx context.Context, id string) bool {
	j, err := s.find(ctx, id)
	return err != nil || j != nil && j.State == jobs.Uploading && j.Resumable != nil
}

// find returns a job, or nil if it does not exist.
func (s *Janitor) find(ctx context.Context, jobID string) (*jobs.Job, error) {
	j, err := s.jobs.Get(ctx, jobID)
	if errors.Is(err, jobs.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &j, nil
}
