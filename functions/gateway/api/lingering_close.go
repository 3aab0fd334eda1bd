package api

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"

	"mp3converter/shared/forwarded"
)

const (
	// lingerTimeout is how long a rejected client may continue to send.
	lingerTimeout = 30 * time.Second
	// lingerIdleTimeout is how long it may pause.
	lingerIdleTimeout = 2 * time.Second
	// continueTimeout is how long clients wait for "100 Continue", or longer, before they
	// send the body without it. curl and Go wait for a second.
	continueTimeout = 700 * time.Millisecond
	// maxLinger is how many rejected clients may continue to send at a time.
	maxLinger = 64
	// maxClientLinger is how many of them may have the same address.
	maxClientLinger = 16
)

// lingeringClose is middleware that lets a client read the response even if it
// is still sending. TCP resets a connection that is closed with unread data, and
// the client may lose the response. So the response is sent at once and in full,
// and the rest of the request is discarded for a while before the close. Clients
// beyond the limits have their connection closed at once.
func lingeringClose(h http.Handler, timeout time.Duration, clients forwarded.Config) http.Handler {
	places := newPool(poolLimits{running: maxLinger, userRunning: maxClientLinger, wait: timeout})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// These have no body, and downloads must not be buffered.
		if r.ContentLength == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
			h.ServeHTTP(w, r)
			return
		}
		control := http.NewResponseController(w)
		// Response writers without a connection, as in tests, return errors.
		_ = control.EnableFullDuplex()
		begun := time.Now()
		body := &trackedBody{ReadCloser: r.Body}
		r.Body = body
		buffered := &bufferedResponse{ResponseWriter: w}
		h.ServeHTTP(buffered, r)
		if body.ended {
			buffered.send()
			return
		}
		end := time.Now().Add(timeout)
		release, err := places.acquire(r.Context(), clients.Client(r))
		if err == nil {
			defer release()
		}
		// A client that waits for "100 Continue" sends nothing before it has seen the
		// response, and reading earlier would make the server ask for the body.
		waiting := r.Header.Get("Expect") != "" && !body.started && time.Since(begun) < continueTimeout
		if err == nil && r.Header.Get("X-Forwarded-For") != "" && !waiting {
			// Proxies such as Knative's may drop a response that arrives
			// while they are sending, and report a broken connection to the
			// client. So the request is read first.
			discard(control, body, end)
		}
		if !body.ended {
			w.Header().Set("Connection", "close")
		}
		buffered.send()
		if body.ended {
			return
		}
		_ = control.Flush()
		if err != nil || waiting {
			_ = control.SetReadDeadline(time.Now()) // or the server would read some of the rest
			return
		}
		discard(control, body, end)
	})
}

// discard reads from body until its end, until the client pauses, or until the given time.
func discard(control *http.ResponseController, body io.Reader, end time.Time) {
	buf := make([]byte, 32<<10)
	for now := time.Now(); now.Before(end); now = time.Now() {
		if err := control.SetReadDeadline(now.Add(lingerIdleTimeout)); err != nil {
			return
		}
		if _, err := body.Read(buf); err != nil {
			return
		}
	}
}

// trackedBody records whether reading a body has started and ended.
type trackedBody struct {
	io.ReadCloser
	started, ended bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	b.started = true
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err == io.EOF
	return n, err
}

// bufferedResponse holds a response back until send. Responses to requests with
// a body are short.
type bufferedResponse struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (b *bufferedResponse) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *bufferedResponse) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

func (b *bufferedResponse) send() {
	if b.status == 0 {
		b.status = http.StatusOK
	}
	if b.status != http.StatusNoContent {
		b.Header().Set("Content-Length", strconv.Itoa(b.body.Len()))
	}
	b.ResponseWriter.WriteHeader(b.status)
	// Writing fails only if the client is gone.
	_, _ = b.body.WriteTo(b.ResponseWriter)
}

// Unwrap gives http.ResponseController access to the connection's deadlines.
func (b *bufferedResponse) Unwrap() http.ResponseWriter { return b.ResponseWriter }
