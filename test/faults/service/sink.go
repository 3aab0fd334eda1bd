package service

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// Delivery is what happens to the messages on their way from a queue to a function.
type Delivery int32

// Deliveries.
const (
	Once  Delivery = iota
	Twice          // at the same time
	Never          // the message is acknowledged
)

// sink stands between a source and a function.
type sink struct {
	target   string
	delivery atomic.Int32
	url      string
}

func startSink(t testing.TB, target string) *sink {
	t.Helper()
	s := &sink{target: target}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch Delivery(s.delivery.Load()) {
	case Never:
		w.WriteHeader(http.StatusNoContent)
		return
	case Twice:
		second := make(chan int)
		go func() { second <- s.forward(r, body) }()
		defer func() { <-second }()
	}
	w.WriteHeader(s.forward(r, body))
}

// forward returns the status of the function's response.
func (s *sink) forward(r *http.Request, body []byte) int {
	request, err := http.NewRequestWithContext(r.Context(), r.Method, s.target, bytes.NewReader(body))
	if err != nil {
		return http.StatusBadGateway
	}
	request.Header = r.Header.Clone()
	resp, err := httpClient.Do(request)
	if err != nil {
		return http.StatusBadGateway
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// Deliver sets the delivery of all messages.
func (c *Cluster) Deliver(d Delivery) {
	for _, s := range c.sinks {
		s.delivery.Store(int32(d))
	}
}
