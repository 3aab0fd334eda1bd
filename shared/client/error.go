package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// StatusError is a response with an unexpected status. If the service wrote it, Code is
// the stable code of the problem, and Title and Detail are sentences for the user. A
// response of a proxy has neither.
type StatusError struct {
	Method, Path string
	Status       int
	Problem
	RetryAfter time.Duration // that the service asked for; 0 if it did not
}

// Problem is the service's description of an error.
type Problem struct {
	Code      string `json:"code"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	RequestID string `json:"requestId"`
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: %d %s: %s", e.Method, e.Path, e.Status, http.StatusText(e.Status), e.Sentence())
}

// Sentence says what happened and what to do, for the user.
func (e *StatusError) Sentence() string {
	if e.Title == "" {
		return fmt.Sprintf("The server answered %d %s.", e.Status, http.StatusText(e.Status))
	}
	return strings.TrimSpace(e.Title + " " + e.Detail)
}

// StatusCode returns the status code of a StatusError, or 0 for other errors.
func StatusCode(err error) int {
	var e *StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// newStatusError reads the problem from the response to r.
func newStatusError(r request, resp *http.Response, body io.Reader) error {
	path, _, _ := strings.Cut(r.path, "?") // the query may contain a file name
	e := &StatusError{Method: r.method, Path: path, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, time.Now())}
	if target, err := resp.Location(); err == nil && resp.StatusCode < 400 {
		e.Title = fmt.Sprintf("The server redirects to %s://%s: use that address.", target.Scheme, target.Host)
		return e
	}
	text, _ := io.ReadAll(io.LimitReader(body, 64<<10))
	if json.Unmarshal(text, &e.Problem) != nil {
		e.Problem = Problem{Title: fmt.Sprintf("%.200s", strings.TrimSpace(string(text)))}
	}
	return e
}

// retryAfter returns the pause of a Retry-After header, which is a number of seconds or a
// date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	s := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(s); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(s); err == nil && date.After(now) {
		return date.Sub(now)
	}
	return 0
}

// IsUnreachable reports whether a call failed before the service answered.
func IsUnreachable(err error) bool {
	return StatusCode(err) == 0 && Temporary(err)
}

// Reason returns why a request failed, without its URL, which may contain a file name.
func Reason(err error) string {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return err.Error()
}
