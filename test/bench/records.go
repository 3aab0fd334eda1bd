package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media"
	"mp3converter/shared/media/disk"
	"mp3converter/test/samples"
)

// tiny converts a second of video and returns the job.
func (s *service) tiny(ctx context.Context, w *workshop) (string, error) {
	path, err := samples.Spec{Name: "tiny.mp4", Seconds: 1}.Path(w.dir)
	if err != nil {
		return "", err
	}
	j, err := s.submit(ctx, path)
	if err != nil {
		return "", err
	}
	return j.ID, s.wait(ctx, j.ID)
}

// inflate gives a job an MP3 of a size that no test could make.
func (s *service) inflate(ctx context.Context, job string, size int64) error {
	audio, err := disk.Open(filepath.Join(s.data, "mp3"))
	if err != nil {
		return err
	}
	o, err := audio.Put(ctx, media.Object{ID: id.New(), Job: job, Name: "large.mp3", ContentType: "audio/mpeg"}, junk(size))
	if err != nil {
		return err
	}
	store, err := sqlite.Open(filepath.Join(s.data, "mp3converter.db"))
	if err != nil {
		return err
	}
	defer store.Close()
	_, err = store.Update(ctx, job, func(j *jobs.Job) error {
		j.Audio = jobs.File{ID: o.ID, Size: o.Size}
		return nil
	})
	return err
}

// show: GET /jobs/{id} for a user with 10,000 jobs against one with 10.
func show(ctx context.Context, w *workshop) (float64, string, error) {
	few, err := showTime(ctx, w, 10)
	if err != nil {
		return 0, "", err
	}
	many, err := showTime(ctx, w, 10_000)
	if err != nil {
		return 0, "", err
	}
	return many.Seconds() / few.Seconds(), fmt.Sprintf("median %v with 10,000 jobs, %v with 10", many, few), nil
}

// showTime is the median of 2000 requests.
func showTime(ctx context.Context, w *workshop, n int) (time.Duration, error) {
	s, err := w.start(ctx)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	known, err := s.tiny(ctx, w)
	if err != nil {
		return 0, err
	}
	if err := s.multiply(ctx, known, n-1); err != nil {
		return 0, err
	}
	const requests = 2000
	took := make([]time.Duration, requests)
	for i := range took {
		begin := time.Now()
		if err := s.do(ctx, "GET", "/jobs/"+known, nil, nil); err != nil {
			return 0, err
		}
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return took[requests/2].Round(time.Microsecond), nil
}

// multiply adds n copies of a job to the records of the running service.
func (s *service) multiply(ctx context.Context, job string, n int) error {
	store, err := sqlite.Open(filepath.Join(s.data, "mp3converter.db"))
	if err != nil {
		return err
	}
	defer store.Close()
	j, err := store.Get(ctx, job)
	if err != nil {
		return err
	}
	for range n {
		j.ID = id.New()
		j.Audio, j.State = jobs.File{}, jobs.Cancelled
		if err := store.Create(ctx, j); err != nil {
			return err
		}
	}
	return nil
}
