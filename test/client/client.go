// Package client is a small client of the service's HTTP API, for tests and
// benchmarks only.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client calls the API as one user.
type Client struct {
	BaseURL string       // without a trailing slash
	Token   string       // set by Login; empty for anonymous requests
	HTTP    *http.Client // nil for http.DefaultClient
	// RegistrationCode is sent by Register, if it is not empty.
	RegistrationCode string
}

// Job is the part of the API's job that tests look at.
type Job struct {
	ID    string
	Name  string
	State string
	Error struct{ Code, Message string }
	Audio struct {
		ID        string
		Name, URL string // URL is a path, or absolute where PUBLIC_URL is set
		Bytes     int64
	}
	FinishedAt time.Time
}

// StatusError is a response with an unexpected status code.
type StatusError struct {
	Method, Path string
	Code         int
	Body         string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: %d %s: %.200s", e.Method, e.Path, e.Code, http.StatusText(e.Code), e.Body)
}

// StatusCode returns the status code of a StatusError, or 0 for other errors.
func StatusCode(err error) int {
	var e *StatusError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// Do sends one request with the user's token, unless header has credentials of
// its own. The caller must close the response body.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.BaseURL+path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.Token != "" && req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.HTTP == nil {
		return http.DefaultClient.Do(req)
	}
	return c.HTTP.Do(req)
}

// call sends a request and copies the body of the response to w. A status other
// than want is a StatusError.
func (c *Client) call(ctx context.Context, method, path string, header http.Header, body io.Reader, want int, w io.Writer) error {
	resp, err := c.Do(ctx, method, path, header, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		return &StatusError{method, path, resp.StatusCode, string(text)}
	}
	_, err = io.Copy(w, resp.Body)
	return err
}

// callJSON is call with the response decoded into v.
func (c *Client) callJSON(ctx context.Context, method, path string, header http.Header, body io.Reader, want int, v any) error {
	var text strings.Builder
	if err := c.call(ctx, method, path, header, body, want, &text); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text.String()), v); err != nil {
		return fmt.Errorf("%s %s: %w: %.200s", method, path, err, text.String())
	}
	return nil
}

// WaitReady waits until GET /readyz succeeds.
func (c *Client) WaitReady(ctx context.Context) error {
	return poll(ctx, 50*time.Millisecond, func() (bool, error) {
		// A server that is not listening yet is not an error.
		return c.call(ctx, http.MethodGet, "/readyz", nil, nil, http.StatusOK, io.Discard) == nil, nil
	})
}

// Register creates an account.
func (c *Client) Register(ctx context.Context, email, password string) error {
	account := map[string]string{"email": email, "password": password}
	if c.RegistrationCode != "" {
		account["code"] = c.RegistrationCode
	}
	body, err := json.Marshal(account)
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	return c.call(ctx, http.MethodPost, "/register", header, strings.NewReader(string(body)), http.StatusCreated, io.Discard)
}

// Credentials returns the Basic authentication header for POST /login.
func Credentials(email, password string) http.Header {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(email, password)
	return r.Header
}

// Login requests a token and uses it from then on.
func (c *Client) Login(ctx context.Context, email, password string) error {
	var text strings.Builder
	if err := c.call(ctx, http.MethodPost, "/login", Credentials(email, password), nil, http.StatusOK, &text); err != nil {
		return err
	}
	token := strings.TrimSpace(text.String())
	if strings.Count(token, ".") != 2 {
		return errors.New("POST /login did not return a token")
	}
	c.Token = token
	return nil
}

// Upload sends a video as the raw request body and returns its job.
func (c *Client) Upload(ctx context.Context, name string, video io.Reader) (Job, error) {
	var j Job
	header := http.Header{"Content-Type": {"video/mp4"}}
	err := c.callJSON(ctx, http.MethodPost, "/upload?name="+url.QueryEscape(name), header, video, http.StatusAccepted, &j)
	if err == nil && j.ID == "" {
		err = errors.New("POST /upload returned no job id")
	}
	return j, err
}

// Job returns a job.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var j Job
	err := c.callJSON(ctx, http.MethodGet, "/jobs/"+id, nil, nil, http.StatusOK, &j)
	return j, err
}

// Jobs returns the user's 200 newest jobs.
func (c *Client) Jobs(ctx context.Context) ([]Job, error) {
	jobs, _, err := c.JobsPage(ctx, "")
	return jobs, err
}

// JobsPage returns up to 200 of the user's jobs that are older than the job before, or
// the newest if it is "". It also returns the before of the next page, "" if there is
// none.
func (c *Client) JobsPage(ctx context.Context, before string) (jobs []Job, next string, err error) {
	var page struct {
		Jobs []Job
		Next string
	}
	query := url.Values{"limit": {"200"}}
	if before != "" {
		query.Set("before", before)
	}
	err = c.callJSON(ctx, http.MethodGet, "/jobs?"+query.Encode(), nil, nil, http.StatusOK, &page)
	return page.Jobs, page.Next, err
}

// Wait polls a job until it is done. A job that ends otherwise is an error.
func (c *Client) Wait(ctx context.Context, id string) (Job, error) {
	var j Job
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		var err error
		if j, err = c.Job(ctx, id); err != nil {
			return false, err
		}
		if j.State == "failed" || j.State == "cancelled" {
			return false, fmt.Errorf("job %s is %s: %s", id, j.State, j.Error.Code)
		}
		return j.State == "done", nil
	})
	return j, err
}

// Download copies a job's MP3 to w.
func (c *Client) Download(ctx context.Context, j Job, w io.Writer) error {
	return c.call(ctx, http.MethodGet, "/jobs/"+j.ID+"/audio", nil, nil, http.StatusOK, w)
}

// Cancel cancels a job. Status 409 means that it was finished.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/jobs/"+id+"/cancel", nil, nil, http.StatusOK, io.Discard)
}

// Retry queues a failed job again.
func (c *Client) Retry(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/jobs/"+id+"/retry", nil, nil, http.StatusAccepted, io.Discard)
}

// Delete deletes a finished job and its files. Status 409 means that it is not finished.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/jobs/"+id, nil, nil, http.StatusNoContent, io.Discard)
}

// poll calls done until it returns true or an error, or until ctx is done.
func poll(ctx context.Context, interval time.Duration, done func() (bool, error)) error {
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(interval):
		}
	}
}
