package api

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// lingerFor and lingerSilence bound how long a refused client may go on
	// sending, in all and without a byte.
	lingerFor     = 30 * time.Second
	lingerSilence = 2 * time.Second
)

// lingering lets a client that is still sending read why it was refused. A
// connection that is closed over unread bytes is reset, and the reset overtakes
// the answer. So the answer goes out at once and whole, and what still arrives
// is thrown away for a while.
func lingering(h http.Handler, stall time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A download has no body to speak of, and is not to be held.
		if r.ContentLength == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
			h.ServeHTTP(w, r)
			return
		}
		control := http.NewResponseController(w)
		// Errors mean a writer without a connection, as in a test.
		_ = control.SetReadDeadline(time.Now().Add(stall))
		_ = control.EnableFullDuplex()
		awaited := r.Header.Get("Expect") != ""
		body := &watched{ReadCloser: r.Body}
		r.Body = body
		held := &held{ResponseWriter: w}
		h.ServeHTTP(held, r)
		if !body.ended && r.Header.Get("X-Forwarded-For") != "" {
			// A proxy that is answered while it still sends may drop the
			// answer and tell its client of a broken connection (Knative's
			// do). So what it sends is let in first.
			drain(control, body)
		}
		if !body.ended {
			w.Header().Set("Connection", "close")
		}
		held.send()
		if body.ended || awaited && !body.begun {
			return
		}
		_ = control.Flush()
		drain(control, body)
	})
}

func drain(control *http.ResponseController, body io.Reader) {
	end := time.Now().Add(lingerFor)
	buf := make([]byte, 32<<10)
	for now := time.Now(); now.Before(end); now = time.Now() {
		if err := control.SetReadDeadline(now.Add(lingerSilence)); err != nil {
			return
		}
		if _, err := body.Read(buf); err != nil {
			return
		}
	}
}

// watched remembers whether a body was read at all, and to its end.
type watched struct {
	io.ReadCloser
	begun, ended bool
}

func (b *watched) Read(p []byte) (int, error) {
	b.begun = true
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err == io.EOF
	return n, err
}

// held keeps an answer until it is whole. Answers to what has a body are short.
type held struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *held) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *held) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}

func (h *held) send() {
	if h.status == 0 {
		h.status = http.StatusOK
	}
	if h.status != http.StatusNoContent {
		h.Header().Set("Content-Length", strconv.Itoa(h.body.Len()))
	}
	h.ResponseWriter.WriteHeader(h.status)
	// An error here is the client's leaving: there is nobody to tell.
	_, _ = h.body.WriteTo(h.ResponseWriter)
}

// Unwrap lets http.ResponseController reach the deadlines of the connection.
func (h *held) Unwrap() http.ResponseWriter { return h.ResponseWriter }
