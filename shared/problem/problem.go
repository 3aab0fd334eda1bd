// Package problem writes error responses: RFC 9457 problem documents with a stable code
// and a title for the user, and without internal details. The cause is logged with
// the id of the request.
package problem

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"
)

// RequestIDHeader is the response header with the id of the request in the log.
const RequestIDHeader = "X-Request-Id"

// Error is an error response.
type Error struct {
	Kind
	Detail     string        // about this request; may be ""
	RetryAfter time.Duration // 0 is the default of the kind
	cause      error
}

// WithDetail returns an error of this kind with a sentence about this request.
func (k Kind) WithDetail(format string, args ...any) *Error {
	return &Error{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

// WithRetryAfter returns an error of this kind with a Retry-After header.
func (k Kind) WithRetryAfter(d time.Duration) *Error {
	return &Error{Kind: k, RetryAfter: d}
}

// WithCause returns an error of this kind with a cause that is only logged.
func (k Kind) WithCause(err error) *Error {
	return &Error{Kind: k, cause: err}
}

// Error makes a Kind usable as an error.
func (k Kind) Error() string { return k.Code + ": " + k.Title }

func (e *Error) Error() string {
	s := e.Kind.Error()
	if e.Detail != "" {
		s += " " + e.Detail
	}
	if e.cause != nil {
		s += " (" + e.cause.Error() + ")"
	}
	return s
}

func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is find the kind of an error, whatever it has in addition.
func (e *Error) Is(target error) bool { return target == e.Kind }

// WithRetryAfter returns the same error with a Retry-After header. Without it, that of
// Kind would be called, and the detail lost.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	later := *e
	later.RetryAfter = d
	return &later
}

// clientClosedRequest is logged for a request whose client has disconnected; 499 is
// nginx's code for it.
var clientClosedRequest = Kind{499, "client_closed_request", "The client has closed the connection."}

// TypePrefix is the path at which the gateway explains each code. The type of a problem is
// a reference relative to the address of the request, so that it is the same whichever
// function responds.
const TypePrefix = "/problems/"

type document struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail,omitempty"`
	RequestID string `json:"requestId,omitempty"`
}

// Write sends err as the response. An error that is neither a Kind nor an *Error is
// logged and sent as Internal.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	if r.Context().Err() != nil && errors.Is(err, r.Context().Err()) {
		e = &Error{Kind: clientClosedRequest}
	}
	switch {
	case e.Status >= 500 && e.cause != nil:
		slog.ErrorContext(r.Context(), "request failed", "code", e.Code, "error", e.cause)
	case e.cause != nil:
		slog.InfoContext(r.Context(), "request rejected", "code", e.Code, "cause", e.cause)
	}
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Disposition", "ETag", "Last-Modified", "Cache-Control"} {
		h.Del(name)
	}
	if e.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Bearer realm="mp3converter"`)
	}
	SetRetryAfter(h, e)
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	json.NewEncoder(w).Encode(document{
		Type:      TypePrefix + e.Code,
		Title:     e.Title,
		Status:    e.Status,
		Code:      e.Code,
		Detail:    e.Detail,
		RequestID: h.Get(RequestIDHeader),
	})
}

// SetRetryAfter sets the Retry-After header that a response with err has, if any.
func SetRetryAfter(h http.Header, err error) {
	e := asError(err)
	if d := cmp.Or(e.RetryAfter, e.retryAfter()); d > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
	}
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var k Kind
	if errors.As(err, &k) {
		return &Error{Kind: k}
	}
	return Internal.WithCause(err)
}

// Handler adapts a handler that returns an error.
func Handler(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Write(w, r, err)
		}
	})
}

// Mux serves mux and replaces its plain 404 and 405 responses by problems.
func Mux(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		plain := discardedResponse{header: http.Header{}}
		h.ServeHTTP(&plain, r)
		switch plain.status {
		case http.StatusMethodNotAllowed:
			w.Header().Set("Allow", plain.header.Get("Allow"))
			Write(w, r, MethodNotAllowed)
		default:
			Write(w, r, NotFound)
		}
	})
}

// discardedResponse records ServeMux's own response without sending it.
type discardedResponse struct {
	header http.Header
	status int
}

func (r *discardedResponse) Header() http.Header         { return r.header }
func (r *discardedResponse) WriteHeader(status int)      { r.status = status }
func (r *discardedResponse) Write(b []byte) (int, error) { return len(b), nil }
