package api

import (
	"fmt"
	"net/http"
	"time"
)

// A login is attempted loginAttempts times, with loginPause in between.
const (
	loginAttempts = 3
	loginPause    = 200 * time.Millisecond
)

// authTransport recognizes responses of the ingress and of Knative in place of auth: for
// a moment, while a revision of auth is replaced. A login is then repeated. A registration
// is not, because auth may have received it. Requests with a body need GetBody.
type authTransport struct{ http.RoundTripper }

func (t authTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		resp, err := t.RoundTripper.RoundTrip(r)
		if err != nil || !isIngressError(resp) {
			return resp, err
		}
		resp.Body.Close()
		if r.URL.Path != "/login" || attempt == loginAttempts {
			return nil, fmt.Errorf("the ingress responds %s in place of auth", resp.Status)
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(loginPause):
		}
		if r, err = repeat(r); err != nil {
			return nil, err
		}
	}
}

// isIngressError reports whether the response is a gateway error that does not come from
// auth, whose errors are problem documents.
func isIngressError(r *http.Response) bool {
	switch r.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return r.Header.Get("Content-Type") != "application/problem+json"
	}
	return false
}

// repeat returns a copy of r with an unread body.
func repeat(r *http.Request) (*http.Request, error) {
	again := r.Clone(r.Context())
	if r.GetBody == nil {
		return again, nil
	}
	body, err := r.GetBody()
	again.Body = body
	return again, err
}
