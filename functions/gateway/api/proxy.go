package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"os"
	"sync/atomic"
	"time"

	"mp3converter/shared/forwarded"
	"mp3converter/shared/problem"
	"mp3converter/shared/serve"
	"mp3converter/shared/token"
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
// reachable only inside the cluster. It hands on the client's address, by which auth
// limits attempts, and signs it with keys.
func AuthProxy(address string, keys token.Keys, clients forwarded.Config) (http.Handler, error) {
	return newAuthProxy(address, keys, clients, authTimeout)
}

func newAuthProxy(address string, keys token.Keys, clients forwarded.Config, timeout time.Duration) (http.Handler, error) {
	if err := clients.Validate(); err != nil {
		return nil, err
	}
	target, err := serve.ParseURL("AUTH_URL", address)
	if err != nil {
		return nil, err
	}
	var warned atomic.Bool // by this process, so that a flood of requests does not fill the log
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = timeout
	proxy := &httputil.ReverseProxy{
		Transport: authTransport{transport},
		Rewrite: func(r *httputil.ProxyRequest) {
			client := clients.Client(r.In)
			slog.DebugContext(r.In.Context(), "client address", "address", client)
			if reason := clients.Mismatch(r.In); reason != "" && !warned.Swap(true) {
				slog.WarnContext(r.In.Context(), "TRUSTED_HOPS seems to be wrong", "trusted_hops", clients.Hops, "reason", reason)
			}
			forwarded.Set(r.Out.Header, keys, client)
			r.SetURL(target)
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del(problem.RequestIDHeader) // the gateway has set its own
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			problem.Write(w, r, problem.Unavailable.WithCause(err))
		},
	}
	return readBody(proxy), nil
}

// readBody is middleware that reads the body before h is called. The auth function
// serves few requests at a time, and a slow client must not take the place of one.
func readBody(h http.Handler) http.Handler {
	return problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAuthBody))
		var size *http.MaxBytesError
		switch {
		case errors.As(err, &size):
			return problem.BadRequest.WithDetail("The body is larger than %d bytes.", size.Limit)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return problem.RequestTimeout
		case err != nil:
			return problem.BadRequest.WithCause(err)
		}
		r = r.Clone(r.Context())
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		h.ServeHTTP(w, r)
		return nil
	})
}
