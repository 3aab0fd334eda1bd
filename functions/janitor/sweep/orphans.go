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

// RemoveOrphans removes files that no job refers to: MP3s of a converter that died
// after storing one, videos of uploads whose record could not be written, and files
// left by an interrupted deletion.
func (s *Janitor) RemoveOrphans(ctx context.Context) (Report, error) {
	var report Report
	before := time.Now().Add(-s.config.OrphanAge)
	for _, store := range []struct {
		name  string
		media media.Store
		keep  func(jobs.Job) string // the object that the job needs
	}{
		{"video", s.videos, neededVideo},
		{"audio", s.audio, func(j jobs.Job) string { return j.Audio.ID }},
	} {
		n, err := s.removeOrphans(ctx, store.media, store.keep, before)
		report.Orphans += n
		if err != nil {
			return report, fmt.Errorf("%s: %w", store.name, err)
		}
		n, err = store.media.Sweep(ctx, before)
		report.Orphans += n
		if err != nil {
			return report, fmt.Errorf("%s: incomplete objects: %w", store.name, err)
		}
	}
	return report, nil
}

// neededVideo returns the identifier of the job's video until the job is final.
func neededVideo(j jobs.Job) string {
	if j.State.Final() {
		return ""
	}
	return j.Video.ID
}

func (s *Janitor) removeOrphans(ctx context.Context, store media.Store, keep func(jobs.Job) string, before time.Time) (int, error) {
	removed, after := 0, ""
	for range maxBatches {
		objects, err := store.List(ctx, before, after, batchSize)
		if err != nil {
			return removed, err
		}
		for _, o := range objects {
			after = o.ID
			j, err := s.jobs.Get(ctx, o.Job)
			switch {
			case errors.Is(err, jobs.ErrNotFound):
			case err != nil:
				return removed, err
			case keep(j) == o.ID:
				continue
			}
			if err := store.Delete(ctx, o.ID); err != nil {
				return removed, err
			}
			slog.InfoContext(ctx, "orphan removed", "job", o.Job, "object", o.ID, "bytes", o.Size)
			removed++
		}
		if len(objects) < batchSize {
			break
		}
	}
	return removed, nil
}
