package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"mp3converter/shared/client"
)

// user is a user of the service. Requests are sent to the ingress's address, with
// the gateway's host name.
type user struct {
	client.Client
	ingress         string // host:port
	email, password string
	counter         *responseCounter
}

func newUser(ingress, host, registrationCode string) *user {
	address := ingress
	if u, err := url.Parse(ingress); err == nil && u.Host != "" {
		address = u.Host
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "80")
	}
	var dialer net.Dialer
	counter := &responseCounter{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		MaxIdleConnsPerHost: 64,
	}}
	return &user{
		Client:  client.Client{BaseURL: "http://" + host, HTTP: &http.Client{Transport: counter}, RegistrationCode: registrationCode},
		ingress: address, counter: counter,
		email: "e2e-" + strings.ToLower(rand.Text()[:10]) + "@example.com", password: rand.Text(),
	}
}

// responseCounter counts requests, and the responses with a status of 500 or above.
type responseCounter struct {
	*http.Transport
	requests, serverErrors atomic.Int64
}

func (c *responseCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.Transport.RoundTrip(r)
	c.requests.Add(1)
	if err == nil && resp.StatusCode >= 500 {
		c.serverErrors.Add(1)
	}
	return resp, err
}

// ensureLogin registers the user and logs in, once.
func (u *user) ensureLogin(ctx context.Context) error {
	if u.Token != "" {
		return nil
	}
	if err := u.Register(ctx, u.email, u.password); err != nil {
		return err
	}
	return u.Login(ctx, u.email, u.password)
}

// jobs returns the user's newest jobs by ID.
func (u *user) jobs(ctx context.Context) (map[string]client.Job, error) {
	list, err := u.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	jobs := map[string]client.Job{}
	for _, j := range list {
		jobs[j.ID] = j
	}
	return jobs, nil
}

// waitDone waits until all jobs are done.
func (u *user) waitDone(ctx context.Context, ids []string) error {
	return poll(ctx, time.Second, func() (bool, error) {
		n, err := u.countDone(ctx, ids)
		if err != nil {
			return false, err
		}
		return n == len(ids), fmt.Errorf("%d of %d jobs are done", n, len(ids))
	})
}

// countDone returns how many jobs are done. A failed job is an error.
func (u *user) countDone(ctx context.Context, ids []string) (int, error) {
	jobs, err := u.jobs(ctx)
	if err != nil {
		return 0, err
	}
	done := 0
	for _, id := range ids {
		j, ok := jobs[id]
		switch {
		case !ok:
			return done, fmt.Errorf("job %s is missing", id)
		case j.State == "failed" && j.Error.Code != "":
			return done, fmt.Errorf("job %s failed: %s", id, j.Error.Code)
		case j.State == "done":
			done++
		}
	}
	return done, nil
}
