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

// Orphans removes files that no job refers to: a converter died after it had
// stored an MP3, a record could not be written, a delete was cut short.
func (s *Janitor) Orphans(ctx context.Context) (Report, error) {
	var report Report
	before := time.Now().Add(-s.Config.OrphanAge)
	for _, store := range []struct {
		name  string
		media media.Store
		of    func(jobs.Job) string
	}{
		// A video is of no use once its job is over.
		{"video", s.Videos, func(j jobs.Job) string {
			if j.State.Final() {
				return ""
			}
			return j.Video.ID
		}},
		{"audio", s.Audio, func(j jobs.Job) string { return j.Audio.ID }},
	} {
		n, err := s.orphans(ctx, store.media, store.of, before)
		report.Orphans += n
		if err != nil {
			return report, fmt.Errorf("%s: %w", store.name, err)
		}
		n, err = store.media.Sweep(ctx, before)
		report.Orphans += n
		if err != nil {
			return report, fmt.Errorf("%s: leftovers: %w", store.name, err)
		}
	}
	return report, nil
}

func (s *Janitor) orphans(ctx context.Context, store media.Store, of func(jobs.Job) string, before time.Time) (int, error) {
	removed, after := 0, ""
	for range maxBatches {
		objects, err := store.List(ctx, before, after, batch)
		if err != nil {
			return removed, err
		}
		for _, o := range objects {
			after = o.ID
			j, err := s.Jobs.Get(ctx, o.Job)
			switch {
			case errors.Is(err, jobs.ErrNotFound):
			case err != nil:
				return removed, err
			case of(j) == o.ID:
				continue
			}
			slog.InfoContext(ctx, "orphan removed", "job", o.Job, "object", o.ID, "bytes", o.Size)
			if err := store.Delete(ctx, o.ID); err != nil {
				return removed, err
			}
			removed++
		}
		if len(objects) < batch {
			break
		}
	}
	return removed, nil
}
