// Package problem is how every function says no: an RFC 9457 problem document
// with a stable code, a sentence for a person, and nothing about the inside of
// the service. What was really wrong goes to the log under the request's id.
package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"
)

// RequestIDHeader names the header, set on every response, by which a request
// is found in the log.
const RequestIDHeader = "X-Request-Id"

// Error is a refusal that a client may see.
type Error struct {
	Kind
	Detail     string        // what about this request; may be ""
	RetryAfter time.Duration // when to try again; 0 says nothing about it
	cause      error
}

// WithDetail returns a refusal of this kind that says more about the request in
// hand.
func (k Kind) WithDetail(format string, args ...any) *Error {
	return &Error{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

// WithRetryAfter returns a refusal of this kind that asks the client to come back later.
func (k Kind) WithRetryAfter(d time.Duration) *Error {
	return &Error{Kind: k, RetryAfter: d}
}

// WithCause returns a refusal of this kind whose cause is for the log alone.
func (k Kind) WithCause(err error) *Error {
	return &Error{Kind: k, cause: err}
}

// Error lets a Kind be returned as it is.
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

// gone is what the log calls a request whose client did not wait.
var gone = Kind{499, "client_gone", "The client has closed the connection."}

type document struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail,omitempty"`
	RequestID string `json:"requestId,omitempty"`
}

// Write answers a request with err. An error that is no Kind and no *Error is
// logged and answered as Internal.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	e := from(err)
	if r.Context().Err() != nil && errors.Is(err, r.Context().Err()) {
		e = &Error{Kind: gone} // for the log: there is nobody to read it
	}
	switch {
	case e.Status >= 500 && e.cause != nil:
		slog.ErrorContext(r.Context(), "request failed", "code", e.Code, "error", e.cause)
	case e.cause != nil:
		slog.InfoContext(r.Context(), "request refused", "code", e.Code, "cause", e.cause)
	}
	h := w.Header()
	for _, of := range []string{"Content-Length", "Content-Disposition", "ETag", "Last-Modified", "Cache-Control"} {
		h.Del(of)
	}
	if e.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Bearer realm="mp3converter"`)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	json.NewEncoder(w).Encode(document{
		Type:      "about:blank",
		Title:     e.Title,
		Status:    e.Status,
		Code:      e.Code,
		Detail:    e.Detail,
		RequestID: h.Get(RequestIDHeader),
	})
}

func from(err error) *Error {
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

// Handler adapts a handler that returns its error.
func Handler(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Write(w, r, err)
		}
	})
}

// Mux serves mux and answers what it has no route for with a problem too.
func Mux(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		refusal := refused{header: http.Header{}}
		h.ServeHTTP(&refusal, r)
		switch refusal.status {
		case http.StatusMethodNotAllowed:
			w.Header().Set("Allow", refusal.header.Get("Allow"))
			Write(w, r, MethodNotAllowed)
		default:
			Write(w, r, NotFound)
		}
	})
}

// refused takes ServeMux's own refusal without sending it.
type refused struct {
	header http.Header
	status int
}

func (r *refused) Header() http.Header         { return r.header }
func (r *refused) WriteHeader(status int)      { r.status = status }
func (r *refused) Write(b []byte) (int, error) { return len(b), nil }
