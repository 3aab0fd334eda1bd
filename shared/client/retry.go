package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 15 * time.Second
)

// retry calls step until it succeeds, or fails in a way that does not pass.
func (c *Client) retry(ctx context.Context, step func() error) error {
	r := c.newRetries()
	for {
		err := step()
		if err == nil {
			return nil
		}
		if err = r.pause(ctx, err); err != nil {
			return err
		}
	}
}

// retries decides how a call goes on after an error.
type retries struct {
	client   *Client
	begun    time.Time // of the time that RetryFor limits
	failures int       // since then
	loggedIn bool      // again, since then
}

func (c *Client) newRetries() *retries { return &retries{client: c, begun: time.Now()} }

// progress starts the limited time again.
func (r *retries) progress() { *r = *r.client.newRetries() }

// pause waits until the call may be repeated after err, or returns the error of the call.
// It replaces an expired token.
func (r *retries) pause(ctx context.Context, err error) error {
	c := r.client
	if StatusCode(err) == http.StatusUnauthorized && c.Email != "" && !r.loggedIn {
		r.loggedIn = true
		if err = c.login(ctx, c.Email, c.Password); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil || !Temporary(err) {
		return err
	}
	pause := min(firstPause<<min(r.failures, 20), maxPause)
	pause = pause/2 + rand.N(pause/2) // clients that lost the same server do not return together
	var status *StatusError
	if errors.As(err, &status) {
		pause = max(pause, status.RetryAfter)
	}
	if time.Since(r.begun)+pause > c.RetryFor {
		return err
	}
	r.failures++
	if c.OnRetry != nil {
		c.OnRetry(err, pause)
	}
	if sleep(ctx, pause) != nil {
		return err
	}
	return nil
}

// Temporary reports whether the call that failed with err may succeed later.
func Temporary(err error) bool {
	var (
		status  *StatusError
		file    *fs.PathError
		cert    *tls.CertificateVerificationError
		request *url.Error
		reading *connectionError
	)
	switch {
	case errors.As(err, &status):
		switch status.Status {
		case http.StatusRequestTimeout, http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	case errors.As(err, &file), errors.As(err, &cert), errors.Is(err, ErrFileTooShort), errors.Is(err, context.Canceled):
		return false
	}
	return errors.As(err, &request) || errors.As(err, &reading) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errStalled) || errors.Is(err, errMoved)
}

// sleep waits, or returns the reason why ctx has ended.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
