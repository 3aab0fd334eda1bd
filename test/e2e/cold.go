package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"mp3converter/test/samples"
)

// cold measures both starts from nothing in each round: the first byte of /login,
// which takes a gateway and an auth, and the time from a job's acceptance, when
// its message is confirmed, until a converter works on it.
func cold(ctx context.Context, b *bench) error {
	if err := b.user(ctx); err != nil {
		return err
	}
	video, _, err := b.video(samples.Spec{Name: "short.mp4", Seconds: 5})
	if err != nil {
		return err
	}
	var logins, converters []float64
	for range b.rounds {
		if err := b.cluster.asleep(ctx, functions...); err != nil {
			return err
		}
		// A connection that is there already would save the ingress's share.
		b.client.http.CloseIdleConnections()
		start := time.Now()
		resp, err := b.client.do(ctx, http.MethodPost, "/login", nil, b.client.basic())
		if err != nil {
			return err
		}
		took := time.Since(start).Seconds()
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("login from zero: %s", resp.Status)
		}
		logins = append(logins, took)

		began := time.Now()
		j, err := b.client.upload(ctx, "short.mp4", bytes.NewReader(video))
		if err != nil {
			return err
		}
		if err := b.client.finish(ctx, []string{j.ID}); err != nil {
			return err
		}
		started, err := b.began(ctx, j.ID, began)
		if err != nil {
			return err
		}
		converters = append(converters, started)
		fmt.Printf("   login %.2f s, converter %.2f s\n", took, started)
	}
	b.report.Logins, b.report.Converters = logins, converters
	b.figure("zero to the first byte of /login, s (median)", median(logins))
	b.figure("zero to a video being worked on, s (median)", median(converters))
	return nil
}

// began reads in the functions' logs how long after its acceptance a job was
// claimed.
func (b *bench) began(ctx context.Context, id string, since time.Time) (float64, error) {
	accepted, err := b.logged(ctx, "gateway", "job accepted", id, since)
	if err != nil {
		return 0, err
	}
	claimed, err := b.logged(ctx, "converter", "job claimed", id, since)
	if err != nil {
		return 0, err
	}
	return claimed.Sub(accepted).Seconds(), nil
}

// logged finds the time of a line about a job in the log of a function.
func (b *bench) logged(ctx context.Context, function, message, id string, since time.Time) (time.Time, error) {
	out, err := b.cluster.kubectl(ctx, "logs", "-l", "serving.knative.dev/service="+function, "-c", function,
		"--tail=-1", "--since-time="+since.UTC().Add(-time.Second).Format(time.RFC3339))
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(out) {
		var entry struct {
			Time time.Time
			Msg  string
			Job  string
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == message && entry.Job == id {
			return entry.Time, nil
		}
	}
	return time.Time{}, fmt.Errorf("the log of %s does not say %q of job %s", function, message, id)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
