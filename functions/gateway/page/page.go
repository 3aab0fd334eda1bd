// Package page is the gateway's web page: static files that use the public API
// as any other client does.
package page

import (
	"embed"
	"net/http"
)

//go:embed page.html page.js page.css page.svg
var files embed.FS

// Routes returns the page's handlers by pattern.
func Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /{$}":      Static(files, "page.html", "text/html; charset=utf-8"),
		"GET /page.js":  Static(files, "page.js", "text/javascript; charset=utf-8"),
		"GET /page.css": Static(files, "page.css", "text/css; charset=utf-8"),
		"GET /page.svg": Static(files, "page.svg", "image/svg+xml"),
	}
}

// Static serves one embedded file under a strict content security policy.
func Static(fs embed.FS, name, contentType string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		http.ServeFileFS(w, r, fs, name)
	})
}
