// Package client is a client of the service's HTTP API: accounts, uploads that survive a
// bad network, jobs and downloads. The command line program and the tests use it.
package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Client calls the API as one user. It is safe for concurrent use once its fields are set.
type Client struct {
	BaseURL string       // without a trailing slash
	Token   string       // set by Login; empty for anonymous requests
	HTTP    *http.Client // nil for one that follows no redirects
	// RegistrationCode is sent by Register, if it is not empty.
	RegistrationCode string

	// Email and Password, if they are set, replace a token that has expired by a new one.
	Email, Password string

	// RetryFor is how long a call is repeated after errors that may pass, such as a lost
	// connection or a busy service. It counts from the last progress. 0 means that nothing
	// is repeated. Calls that could create something twice are never repeated.
	RetryFor time.Duration
	// OnRetry is called before each pause, if it is not nil. Concurrent calls of the
	// client call it concurrently.
	OnRetry func(err error, pause time.Duration)
	// StallTimeout ends a request in which no byte moves for that long; 0 means never.
	StallTimeout time.Duration
	// PollInterval is how often Wait asks for the job; 0 means that the service answers
	// when something has happened, or after a few seconds.
	PollInterval time.Duration

	mu sync.Mutex // guards Token during a call
}

// Do sends one request with the user's token, unless header has credentials of
// its own. The caller must close the response body.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.BaseURL+path, body)
	if err != nil {
		return nil, err
	}
	return c.do(req, header)
}

func (c *Client) do(req *http.Request, header http.Header) (*http.Response, error) {
	for name, values := range header {
		req.Header[name] = values
	}
	if token := c.token(); token != "" && req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return cmp.Or(c.HTTP, &noRedirects).Do(req)
}

// noRedirects is the default HTTP client. The API does not redirect, and net/http would send
// the token along to another port of the same host, and from https to http.
var noRedirects = http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (c *Client) token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Token
}

// request is one request of the API.
type request struct {
	method, path string
	header       http.Header
	body         io.Reader
	length       int64               // of the body, if it has no type that net/http knows
	accept       func(int) bool      // statuses that are no error; nil for 200 only
	read         func(*answer) error // reads the response; may be nil
}

// answer is the response to a request. Its body is closed after request.read.
type answer struct {
	*http.Response
	body io.Reader
}

// send sends a request once. A status that it does not accept is a *StatusError.
func (c *Client) send(ctx context.Context, r request) error {
	ctx, stall := watchForStall(ctx, c.StallTimeout)
	defer stall.stop()
	req, err := http.NewRequestWithContext(ctx, r.method, c.BaseURL+r.path, r.body)
	if err != nil {
		return err
	}
	if r.length > 0 {
		req.ContentLength = r.length
	}
	if r.body != nil && c.StallTimeout > 0 {
		req.Body, req.GetBody = stall.reader(req.Body), nil
	}
	resp, err := c.do(req, r.header)
	if err != nil {
		return stall.explain(ctx, err)
	}
	defer resp.Body.Close()
	body := stall.reader(responseBody{resp.Body})
	if r.accept == nil && resp.StatusCode != http.StatusOK || r.accept != nil && !r.accept(resp.StatusCode) {
		return newStatusError(r, resp, body)
	}
	if r.read == nil {
		_, err = io.Copy(io.Discard, body)
	} else {
		err = r.read(&answer{resp, body})
	}
	return stall.explain(ctx, err)
}

// responseBody marks the errors of the connection, whose types depend on the version of HTTP.
type responseBody struct{ io.ReadCloser }

func (b responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &connectionError{err}
	}
	return n, err
}

// connectionError means that the connection was lost inside a response.
type connectionError struct{ error }

func (e *connectionError) Unwrap() error { return e.error }

// status returns an accept function for one status.
func status(want int) func(int) bool { return func(got int) bool { return got == want } }

// decode returns a read function that decodes JSON into v.
func decode(v any) func(*answer) error {
	return func(a *answer) error {
		text, err := io.ReadAll(a.body)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, v); err != nil {
			return fmt.Errorf("%s %s: %w: %.200s", a.Request.Method, a.Request.URL.Path, err, text)
		}
		return nil
	}
}

// WaitReady waits until GET /readyz succeeds.
func (c *Client) WaitReady(ctx context.Context) error {
	for {
		// A server that is not listening yet is not an error.
		if c.send(ctx, request{method: http.MethodGet, path: "/readyz"}) == nil {
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
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
	return c.send(ctx, request{method: http.MethodPost, path: "/register", accept: status(http.StatusCreated),
		header: http.Header{"Content-Type": {"application/json"}}, body: strings.NewReader(string(body))})
}

// Credentials returns the Basic authentication header for POST /login.
func Credentials(email, password string) http.Header {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(email, password)
	return r.Header
}

// Login requests a token and uses it from then on.
func (c *Client) Login(ctx context.Context, email, password string) error {
	return c.retry(ctx, func() error { return c.login(ctx, email, password) })
}

func (c *Client) login(ctx context.Context, email, password string) error {
	var token string
	err := c.send(ctx, request{method: http.MethodPost, path: "/login", header: Credentials(email, password), read: func(a *answer) error {
		text, err := io.ReadAll(a.body)
		token = strings.TrimSpace(string(text))
		return err
	}})
	if err == nil && strings.Count(token, ".") != 2 {
		err = errors.New("POST /login did not return a token")
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Token = token
	return nil
}
