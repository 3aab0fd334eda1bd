package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver receives webhooks.
type receiver struct {
	mu       sync.Mutex
	messages []message
}

type message struct {
	header http.Header
	body   []byte
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, message{req.Header.Clone(), body})
}

func (r *receiver) all() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.messages
}

// startReceiver (receiver) receives webhooks at the port $HOOK_PORT until the script ends.
func startReceiver(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", ts.Getenv("HOOK_PORT")))
	ts.Check(err)
	r := &receiver{}
	srv := &http.Server{Handler: r}
	go srv.Serve(l)
	ts.Defer(func() { srv.Close() })
	receivers.Store(ts.Getenv("HOOK_PORT"), r)
}

// receivers are those of the scripts that run, by port.
var receivers sync.Map

// received N SECRET waits for the Nth webhook, verifies it and prints its id and body.
func received(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	r, _ := receivers.Load(ts.Getenv("HOOK_PORT"))
	for deadline := time.Now().Add(2 * time.Minute); len(r.(*receiver).all()) < n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("only %d webhooks were received", len(r.(*receiver).all()))
		}
	}
	m := r.(*receiver).all()[n-1]
	hook, err := standardwebhooks.NewWebhook(args[1])
	ts.Check(err)
	ts.Check(hook.Verify(m.body, m.header))
	fmt.Fprintf(ts.Stdout(), "id=%s\n%s\n", m.header.Get("webhook-id"), m.body)
}
