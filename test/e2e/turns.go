package main

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// runTurns uploads a video as a second user while the first has many queued. At most as
// many of those may end before it starts as there are converters.
func runTurns(ctx context.Context, s *suite) error {
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	second := newUser(s.ingress, s.host, s.user.RegistrationCode)
	if err := second.ensureLogin(ctx); err != nil {
		return err
	}
	video, _, err := s.burstVideo()
	if err != nil {
		return err
	}
	converters, _, err := s.converterLimits(ctx)
	if err != nil {
		return err
	}
	ids, err := s.uploadAll(ctx, video, 4*converters, nil)
	if err != nil {
		return err
	}
	j, err := second.Upload(ctx, "film.mp4", bytes.NewReader(video))
	if err != nil {
		return err
	}
	accepted := time.Now() // the store's clock, in FinishedAt, must agree with this machine's
	var started time.Time
	err = poll(ctx, 100*time.Millisecond, func() (bool, error) {
		started = time.Now()
		j, err := second.Job(ctx, j.ID)
		return err == nil && j.State != "queued", err
	})
	if err != nil {
		return err
	}
	if err := second.waitDone(ctx, []string{j.ID}); err != nil {
		return err
	}
	if err := s.user.waitDone(ctx, ids); err != nil {
		return err
	}
	jobs, err := s.user.jobs(ctx)
	if err != nil {
		return err
	}
	before := 0
	for _, id := range ids {
		if at := jobs[id].FinishedAt; at.After(accepted) && at.Before(started) {
			before++
		}
	}
	s.recordFigure("turns: conversions of another user before the first video starts", float64(before))
	if before > converters {
		return fmt.Errorf("%d conversions of the first user ended before the second user's video started, want at most %d (max-scale)", before, converters)
	}
	return nil
}
