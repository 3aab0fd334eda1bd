package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"mp3converter/shared/problem"
)

// authPatience bounds the wait for the auth function: it may have to start
// first, and it hashes on purpose slowly.
const authPatience = 30 * time.Second

// maxAuthBody bounds what is passed on: credentials are short.
const maxAuthBody = 16 << 10

// WakeAuth asks the auth function for a sign of life, so that it starts while
// the gateway does: the first visitor is about to log in. What comes of it does
// not matter.
func WakeAuth(ctx context.Context, address string) {
	ctx, cancel := context.WithTimeout(ctx, authPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/healthz", nil)
	if err != nil {
		return
	}
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
	}
}

// AuthProxy passes requests on to the auth function at the given address, which
// only the cluster can reach.
func AuthProxy(address string) (http.Handler, error) {
	target, err := url.Parse(address)
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return nil, errors.New("AUTH_URL must be an http or https address")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = authPatience
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			// The chain of addresses that led here, for throttling.
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.SetURL(target)
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del(problem.RequestIDHeader) // ours stands already
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			var size *http.MaxBytesError
			if errors.As(err, &size) {
				problem.Write(w, r, problem.BadRequest.WithDetail("The body is larger than %d bytes.", size.Limit))
				return
			}
			problem.Write(w, r, problem.Unavailable.WithCause(err))
		},
	}
	return http.MaxBytesHandler(proxy, maxAuthBody), nil
}
