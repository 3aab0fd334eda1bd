package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"mp3converter/shared/client"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media"
	"mp3converter/shared/media/disk"
	"mp3converter/test/samples"
)

// convertTiny converts a video of one second and returns the job.
func (s *service) convertTiny(ctx context.Context, h *harness) (client.Job, error) {
	path, err := samples.Spec{Name: "tiny.mp4", Seconds: 1}.Path(h.dir)
	if err != nil {
		return client.Job{}, err
	}
	j, err := s.uploadFile(ctx, path)
	if err != nil {
		return client.Job{}, err
	}
	return s.Wait(ctx, j.ID)
}

// replaceMP3 replaces a job's MP3 with random bytes, because no video in these
// tests results in an MP3 of that size.
func (s *service) replaceMP3(ctx context.Context, job string, size int64) error {
	mp3s, err := disk.Open(filepath.Join(s.dataDir, "mp3"))
	if err != nil {
		return err
	}
	o, err := mp3s.Put(ctx, media.Object{ID: id.New(), Job: job, Name: "large.mp3", ContentType: "audio/mpeg"}, randomBytes(size))
	if err != nil {
		return err
	}
	store, err := sqlite.Open(filepath.Join(s.dataDir, "mp3converter.db"))
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

// measureList compares GET /jobs/{id} for a user with 10,000 jobs and one with 10.
func measureList(ctx context.Context, h *harness) (float64, string, error) {
	few, err := measureGet(ctx, h, 10)
	if err != nil {
		return 0, "", err
	}
	many, err := measureGet(ctx, h, 10_000)
	if err != nil {
		return 0, "", err
	}
	return many.Seconds() / few.Seconds(), fmt.Sprintf("median %v with 10,000 jobs, %v with 10", many, few), nil
}

// measureGet returns the median time of 2000 requests for a job of a user with n jobs.
func measureGet(ctx context.Context, h *harness, n int) (time.Duration, error) {
	s, err := h.start(ctx)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	j, err := s.convertTiny(ctx, h)
	if err != nil {
		return 0, err
	}
	if err := s.copyJob(ctx, j.ID, n-1); err != nil {
		return 0, err
	}
	const requests = 2000
	times := make([]time.Duration, requests)
	for i := range times {
		start := time.Now()
		if err := s.getJob(ctx, j.ID); err != nil {
			return 0, err
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return times[requests/2].Round(time.Microsecond), nil
}

// getJob requests a job and discards the response: decoding it is not measured.
func (s *service) getJob(ctx context.Context, id string) error {
	resp, err := s.Do(ctx, http.MethodGet, "/jobs/"+id, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /jobs/%s: %s", id, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// copyJob adds n copies of a job to the database of the running service.
func (s *service) copyJob(ctx context.Context, job string, n int) error {
	store, err := sqlite.Open(filepath.Join(s.dataDir, "mp3converter.db"))
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
