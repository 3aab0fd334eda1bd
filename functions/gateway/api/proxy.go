package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"time"

	"mp3converter/shared/problem"
	"mp3converter/shared/serve"
)

// authTimeout is how long the auth function may take to respond. It may have to
// start first, and its password hash is slow on purpose.
const authTimeout = 30 * time.Second

// maxAuthBody is the largest request body that is passed on, in bytes.
const maxAuthBody = 16 << 10

// WakeAuth requests the health of the auth function, so that it starts together
// with the gateway: the first user is about to log in. Errors are ignored.
func WakeAuth(ctx context.Context, address string) {
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/healthz", nil)
	if err != nil {
		return
	}
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
	}
}

// AuthProxy returns a reverse proxy to the auth function, whose address is
// reachable only inside the cluster.
func AuthProxy(address string) (http.Handler, error) {
	target, err := serve.ParseURL("AUTH_URL", address)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = authTimeout
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			// The auth function throttles clients by their address.
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.SetURL(target)
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del(problem.RequestIDHeader) // the gateway has set its own
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
