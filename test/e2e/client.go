package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// client is a user of the service. It reaches the gateway by its host name, at the
// ingress's address.
type client struct {
	base     string // http://HOST
	ingress  string
	email    string
	password string
	token    string
	http     http.Client

	requests, broken atomic.Int64 // broken are the answers of 500 and above
}

// job is what the gateway tells of one.
type job struct {
	ID    string
	State string
	Bytes int64
	Error *struct{ Code, Message string }
}

func newClient(ingress, host string) *client {
	address := ingress
	if u, err := url.Parse(ingress); err == nil && u.Host != "" {
		address = u.Host
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "80")
	}
	c := &client{
		base: "http://" + host, ingress: address,
		email: "e2e-" + strings.ToLower(rand.Text()[:10]) + "@example.com", password: rand.Text(),
	}
	var dialer net.Dialer
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		MaxIdleConnsPerHost: 64,
	}
	return c
}

// do sends one request and counts what came of it.
func (c *client) do(ctx context.Context, method, path string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if c.token != "" && req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	c.requests.Add(1)
	if err == nil && resp.StatusCode >= 500 {
		c.broken.Add(1)
	}
	return resp, err
}

// call is do for answers that are read whole.
func (c *client) call(ctx context.Context, method, path string, body io.Reader, header http.Header, want int) ([]byte, error) {
	resp, err := c.do(ctx, method, path, body, header)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, text)
	}
	return text, nil
}

func (c *client) register(ctx context.Context) error {
	body, err := json.Marshal(map[string]string{"email": c.email, "password": c.password})
	if err != nil {
		return err
	}
	_, err = c.call(ctx, http.MethodPost, "/register", strings.NewReader(string(body)),
		http.Header{"Content-Type": {"application/json"}}, http.StatusCreated)
	return err
}

func (c *client) basic() http.Header {
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(c.email, c.password)
	return req.Header
}

func (c *client) login(ctx context.Context) error {
	text, err := c.call(ctx, http.MethodPost, "/login", nil, c.basic(), http.StatusOK)
	if err != nil {
		return err
	}
	if c.token = strings.TrimSpace(string(text)); strings.Count(c.token, ".") != 2 {
		return errors.New("what /login printed is no token")
	}
	return nil
}

// upload sends a file as the raw body and returns the job.
func (c *client) upload(ctx context.Context, name string, body io.Reader) (job, error) {
	text, err := c.call(ctx, http.MethodPost, "/upload?name="+url.QueryEscape(name), body,
		http.Header{"Content-Type": {"video/mp4"}}, http.StatusAccepted)
	if err != nil {
		return job{}, err
	}
	var j job
	if err := json.Unmarshal(text, &j); err != nil || j.ID == "" {
		return job{}, fmt.Errorf("upload: %.200s: %w", text, err)
	}
	return j, nil
}

// jobs returns the states of the newest 200.
func (c *client) jobs(ctx context.Context) (map[string]job, error) {
	text, err := c.call(ctx, http.MethodGet, "/jobs?limit=200", nil, nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var page struct{ Jobs []job }
	if err := json.Unmarshal(text, &page); err != nil {
		return nil, err
	}
	found := map[string]job{}
	for _, j := range page.Jobs {
		found[j.ID] = j
	}
	return found, nil
}

// finish waits for the end of jobs, and is content only if all are done.
func (c *client) finish(ctx context.Context, ids []string) error {
	return poll(ctx, time.Second, func() (bool, error) {
		n, err := c.count(ctx, ids)
		if err != nil {
			return false, err
		}
		return n == len(ids), fmt.Errorf("%d of %d jobs are done", n, len(ids))
	})
}

// count returns how many are done. A job that failed is an error.
func (c *client) count(ctx context.Context, ids []string) (int, error) {
	all, err := c.jobs(ctx)
	if err != nil {
		return 0, err
	}
	done := 0
	for _, id := range ids {
		j, ok := all[id]
		switch {
		case !ok:
			return done, fmt.Errorf("job %s is gone", id)
		case j.State == "failed" && j.Error != nil:
			return done, fmt.Errorf("job %s failed: %s", id, j.Error.Code)
		case j.State == "done":
			done++
		}
	}
	return done, nil
}
