package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// failureBurst is the number of videos uploaded before a failure.
const failureBurst = 20

// runRollout replaces the converter's revision while it converts.
func runRollout(ctx context.Context, s *suite) error {
	return s.failDuringBurst(ctx, 0, func() error {
		before, err := s.readyRevision(ctx, "converter")
		if err != nil {
			return err
		}
		patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"mp3converter.com/e2e":"%d"}}}}}`, time.Now().Unix())
		if _, err := s.cluster.kubectl(ctx, "patch", "services.serving.knative.dev", "converter", "--type=merge", "-p", patch); err != nil {
			return err
		}
		return s.waitNewRevision(ctx, "converter", before)
	})
}

// readyRevision returns the latest ready revision of a function.
func (s *suite) readyRevision(ctx context.Context, function string) (string, error) {
	service, err := s.cluster.service(ctx, function)
	return service.Status.LatestReadyRevisionName, err
}

// waitNewRevision waits until another revision of a function than before is ready.
func (s *suite) waitNewRevision(ctx context.Context, function, before string) error {
	return poll(ctx, time.Second, func() (bool, error) {
		now, err := s.readyRevision(ctx, function)
		return err == nil && now != before, fmt.Errorf("%s: still revision %s: %w", function, now, err)
	})
}

// runBrokerFailure deletes RabbitMQ's pod while its queue is full. Videos uploaded
// while RabbitMQ is unavailable are accepted without a wake-up; the janitor sends it
// later.
func runBrokerFailure(ctx context.Context, s *suite) error {
	return s.failDuringBurst(ctx, failureBurst/4, func() error {
		_, err := s.cluster.kubectl(ctx, "delete", "pod", "rabbitmq-0", "--wait=false")
		return err
	})
}

// failDuringBurst calls fail once the first jobs of a burst are being converted,
// and then uploads more videos. All jobs must be done in the end, and no response
// may be a 5xx.
func (s *suite) failDuringBurst(ctx context.Context, more int, fail func() error) error {
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	video, _, err := s.burstVideo()
	if err != nil {
		return err
	}
	serverErrors := s.user.counter.serverErrors.Load()
	ids, err := s.uploadAll(ctx, video, failureBurst, nil)
	if err != nil {
		return err
	}
	if err := s.waitConverting(ctx, ids, 2); err != nil {
		return err
	}
	start := time.Now()
	if err := fail(); err != nil {
		return err
	}
	moreIDs, err := s.uploadAll(ctx, video, more, nil)
	if err != nil {
		return fmt.Errorf("uploads after the failure: %w", err)
	}
	ids = append(ids, moreIDs...)
	if err := s.user.waitDone(ctx, ids); err != nil {
		return err
	}
	fmt.Printf("   all %d jobs done %.0f s after the failure\n", len(ids), time.Since(start).Seconds())
	if n := s.user.counter.serverErrors.Load() - serverErrors; n > 0 {
		return fmt.Errorf("%d responses were 5xx", n)
	}
	return nil
}

// waitConverting waits until n of the jobs are being converted.
func (s *suite) waitConverting(ctx context.Context, ids []string, n int) error {
	return poll(ctx, 200*time.Millisecond, func() (bool, error) {
		jobs, err := s.user.jobs(ctx)
		if err != nil {
			return false, err
		}
		converting := 0
		for _, id := range ids {
			if jobs[id].State == "converting" {
				converting++
			}
		}
		return converting >= n, errors.New("no conversion has started")
	})
}
