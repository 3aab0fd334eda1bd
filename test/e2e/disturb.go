package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// disturbed is how many videos a disturbed burst has.
const disturbed = 20

// rollout replaces the converter while it is at work.
func rollout(ctx context.Context, b *bench) error {
	return b.disturb(ctx, 0, func() error {
		before, err := b.revision(ctx)
		if err != nil {
			return err
		}
		patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"mp3converter.com/e2e":"%d"}}}}}`, time.Now().Unix())
		if _, err := b.cluster.kubectl(ctx, "patch", "services.serving.knative.dev", "converter", "--type=merge", "-p", patch); err != nil {
			return err
		}
		return poll(ctx, time.Second, func() (bool, error) {
			now, err := b.revision(ctx)
			return err == nil && now != before, fmt.Errorf("still revision %s: %w", now, err)
		})
	})
}

// revision is the converter's latest that is ready.
func (b *bench) revision(ctx context.Context) (string, error) {
	var service struct {
		Status struct{ LatestReadyRevisionName string }
	}
	err := b.cluster.get(ctx, "/apis/serving.knative.dev/v1/namespaces/"+namespace+"/services/converter", &service)
	return service.Status.LatestReadyRevisionName, err
}

// broker ends RabbitMQ's pod while its queue is full, and uploads more while it is
// away: those are accepted without a message, and the janitor wakes the converter.
func broker(ctx context.Context, b *bench) error {
	return b.disturb(ctx, disturbed/4, func() error {
		_, err := b.cluster.kubectl(ctx, "delete", "pod", "rabbitmq-0", "--wait=false")
		return err
	})
}

// disturb lets something happen when a burst's first jobs are being worked on, and
// sends later more videos after it. Every job of both must end well, and a user
// must not have noticed.
func (b *bench) disturb(ctx context.Context, later int, happen func() error) error {
	if err := b.user(ctx); err != nil {
		return err
	}
	video, _, err := b.film()
	if err != nil {
		return err
	}
	broken := b.client.broken.Load()
	ids, err := b.send(ctx, video, disturbed, nil)
	if err != nil {
		return err
	}
	err = poll(ctx, 200*time.Millisecond, func() (bool, error) {
		all, err := b.client.jobs(ctx)
		if err != nil {
			return false, err
		}
		working := 0
		for _, id := range ids {
			if all[id].State == "converting" {
				working++
			}
		}
		return working >= 2, errors.New("the converters do not begin")
	})
	if err != nil {
		return err
	}
	start := time.Now()
	if err := happen(); err != nil {
		return err
	}
	more, err := b.send(ctx, video, later, nil)
	if err != nil {
		return fmt.Errorf("uploads after the event: %w", err)
	}
	if err := b.client.finish(ctx, append(ids, more...)); err != nil {
		return err
	}
	fmt.Printf("   all %d done %.0f s after the event\n", len(ids)+len(more), time.Since(start).Seconds())
	if broken := b.client.broken.Load() - broken; broken > 0 {
		return fmt.Errorf("%d answers were 5xx", broken)
	}
	return nil
}
