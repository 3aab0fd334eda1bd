package inprocess

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

var errNoAnswer = errors.New("no answer")

// deliver POSTs an event to a handler and returns the status of its answer. A
// handler that panics gives none, as a connection that breaks would.
func deliver(ctx context.Context, queue string, h http.Handler, body []byte) (status int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // as a server does once the handler has returned
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+queue+".inprocess/", bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	r.Header.Set("User-Agent", "mp3converter-inprocess")
	r.RequestURI = "/" // set in requests as servers see them
	r.RemoteAddr = "inprocess"

	a := answer{header: make(http.Header)}
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				slog.ErrorContext(ctx, "panic", "queue", queue, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			status, err = 0, errNoAnswer
		}
	}()
	h.ServeHTTP(&a, r)
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.status, nil
}

// answer takes the status and lets the rest go.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 { // 1xx announces the real one
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return len(b), nil
}
