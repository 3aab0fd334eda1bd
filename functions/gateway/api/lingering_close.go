package api

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// lingerTimeout is how long a rejected client may continue to send.
	lingerTimeout = 30 * time.Second
	// lingerIdleTimeout is how long it may pause.
	lingerIdleTimeout = 2 * time.Second
)

// lingeringClose is middleware that lets a client read the response even if it
// is still sending. TCP resets a connection that is closed with unread data, and
// the client may lose the response. So the response is sent at once and in full,
// and the rest of the request is discarded for a while before the close.
func lingeringClose(h http.Handler, idleTimeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// These have no body, and downloads must not be buffered.
		if r.ContentLength == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
			h.ServeHTTP(w, r)
			return
		}
		control := http.NewResponseController(w)
		// Response writers without a connection, as in tests, return errors.
		_ = control.SetReadDeadline(time.Now().Add(idleTimeout))
		_ = control.EnableFullDuplex()
		expectsContinue := r.Header.Get("Expect") != ""
		body := &trackedBody{ReadCloser: r.Body}
		r.Body = body
		buffered := &bufferedResponse{ResponseWriter: w}
		h.ServeHTTP(buffered, r)
		if !body.ended && r.Header.Get("X-Forwarded-For") != "" {
			// Proxies such as Knative's may drop a response that arrives
			// while they are sending, and report a broken connection to the
			// client. So the request is read first.
			discard(control, body)
		}
		if !body.ended {
			w.Header().Set("Connection", "close")
		}
		buffered.send()
		if body.ended || expectsContinue && !body.started {
			return
		}
		_ = control.Flush()
		discard(control, body)
	})
}

// discard reads from body until its end, or until the client takes too long.
func discard(control *http.ResponseController, body io.Reader) {
	end := time.Now().Add(lingerTimeout)
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
