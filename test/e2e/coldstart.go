package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"mp3converter/shared/client"
)

// runColdStarts measures cold starts in each round: the time until POST /login
// is answered, which starts a pod of the gateway and one of auth, the time from the acceptance
// of a job until a converter claims it and, for comparison, that of a service without stores.
func runColdStarts(ctx context.Context, s *suite) error {
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	video, err := s.shortVideo()
	if err != nil {
		return err
	}
	var logins, converters, hellos []float64
	for range s.rounds {
		if err := s.cluster.waitScaledToZero(ctx, functions...); err != nil {
			return err
		}
		login, err := s.timeLogin(ctx)
		if err != nil {
			return err
		}
		converter, err := s.timeConverterStart(ctx, video)
		if err != nil {
			return err
		}
		logins, converters = append(logins, login), append(converters, converter)
		hello, err := s.timeHello(ctx)
		switch {
		case errors.Is(err, errNoHello):
			fmt.Printf("   login %.2f s, converter %.2f s\n", login, converter)
		case err != nil:
			return err
		default:
			hellos = append(hellos, hello)
			fmt.Printf("   login %.2f s, converter %.2f s, hello %.2f s\n", login, converter, hello)
		}
	}
	s.report.Logins, s.report.Converters = logins, converters
	if len(hellos) > 0 {
		s.recordFigure("cold start: first byte of hello, s (median)", median(hellos))
	}
	s.recordFigure("cold start: first byte of /login, s (median)", median(logins))
	s.recordFigure("cold start: job accepted until claimed, s (median)", median(converters))
	return nil
}

// timeLogin returns the seconds until the response to POST /login begins.
func (s *suite) timeLogin(ctx context.Context) (float64, error) {
	return timeRequest(ctx, &s.user.Client, http.MethodPost, "/login", client.Credentials(s.user.email, s.user.password))
}

// timeRequest returns the seconds until the response begins, which must be 200.
func timeRequest(ctx context.Context, c *client.Client, method, path string, header http.Header) (float64, error) {
	// A user has to wait for a new connection, too.
	c.HTTP.CloseIdleConnections()
	start := time.Now()
	resp, err := c.Do(ctx, method, path, header, nil)
	if err != nil {
		return 0, err
	}
	seconds := time.Since(start).Seconds()
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("cold %s %s: %s", method, path, resp.Status)
	}
	return seconds, nil
}

// errNoHello means that test/e2e/run has not deployed hello.yaml.
var errNoHello = errors.New("no service hello")

// helloNamespace is that of hello.yaml.
const helloNamespace = "mp3converter-e2e"

// timeHello returns the seconds until the response of the smallest possible service, which
// has no pod. It is what the platform takes of a cold start.
func (s *suite) timeHello(ctx context.Context) (float64, error) {
	var service struct {
		Status struct{ URL string }
	}
	if err := s.cluster.get(ctx, "/apis/serving.knative.dev/v1/namespaces/"+helloNamespace+"/services/hello", &service); err != nil || service.Status.URL == "" {
		return 0, errNoHello
	}
	if err := s.cluster.waitNoPodsIn(ctx, helloNamespace); err != nil {
		return 0, err
	}
	return timeRequest(ctx, &client.Client{BaseURL: service.Status.URL, HTTP: s.user.HTTP}, http.MethodGet, "/", nil)
}

// timeConverterStart uploads a video and returns the seconds between its
// acceptance and its claim, as logged by the gateway and the converter.
func (s *suite) timeConverterStart(ctx context.Context, video []byte) (float64, error) {
	start := time.Now()
	j, err := s.user.Upload(ctx, "short.mp4", bytes.NewReader(video))
	if err != nil {
		return 0, err
	}
	if err := s.user.waitDone(ctx, []string{j.ID}); err != nil {
		return 0, err
	}
	accepted, err := s.logTime(ctx, "gateway", "job accepted", j.ID, start)
	if err != nil {
		return 0, err
	}
	claimed, err := s.logTime(ctx, "converter", "job claimed", j.ID, start)
	if err != nil {
		return 0, err
	}
	return claimed.Sub(accepted).Seconds(), nil
}

// logTime returns the time of a log message about a job.
func (s *suite) logTime(ctx context.Context, function, message, job string, since time.Time) (time.Time, error) {
	entries, err := s.logEntries(ctx, function, since)
	if err != nil {
		return time.Time{}, err
	}
	for _, e := range entries {
		if e.Msg == message && e.Job == job {
			return e.Time, nil
		}
	}
	return time.Time{}, fmt.Errorf("the log of %s has no %q for job %s", function, message, job)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
