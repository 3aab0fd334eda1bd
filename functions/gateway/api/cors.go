package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/jub0bs/cors"

	"mp3converter/functions/gateway/idempotency"
)

// CORS permits web pages of other origins to call the API. By default none is permitted.
// Requests carry a token and no cookies, so credentials are never allowed.
type CORS struct {
	Origins []string `envconfig:"CORS_ORIGINS"` // such as https://example.com, https://*.example.com or *
}

// preflightAge is how long a browser may remember the answer to a preflight request, in
// seconds.
const preflightAge = 3600

// Validate returns an error that names the invalid variable.
func (c CORS) Validate() error {
	_, err := c.middleware()
	return err
}

// middleware returns nil if no origin is permitted.
func (c CORS) middleware() (*cors.Middleware, error) {
	var origins []string
	for _, o := range c.Origins {
		if o = strings.TrimSpace(o); o != "" {
			origins = append(origins, o)
		}
	}
	if len(origins) == 0 {
		return nil, nil
	}
	m, err := cors.NewMiddleware(cors.Config{
		Origins: origins,
		Methods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		RequestHeaders: []string{
			"Authorization", "Content-Digest", "Content-Type", idempotency.Header, "If-Match", "If-None-Match", "If-Range", "Range",
			"Tus-Resumable", "Upload-Checksum", "Upload-Defer-Length", "Upload-Length", "Upload-Metadata", "Upload-Offset",
			"X-HTTP-Method-Override", "X-Requested-With",
		},
		ResponseHeaders: []string{
			"Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "ETag", idempotency.ReplayedHeader, "Link", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id",
			"Tus-Checksum-Algorithm", "Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version",
			"Upload-Defer-Length", "Upload-Expires", "Upload-Length", "Upload-Metadata", "Upload-Offset",
		},
		MaxAgeInSeconds: preflightAge,
	})
	if err != nil {
		return nil, fmt.Errorf("CORS_ORIGINS: %w", err)
	}
	return m, nil
}

// wrap is middleware that answers preflight requests and adds CORS headers. Other OPTIONS
// requests reach h. The configuration is valid.
func (c CORS) wrap(h http.Handler) http.Handler {
	m, _ := c.middleware()
	if m == nil {
		return h
	}
	return m.Wrap(h)
}
