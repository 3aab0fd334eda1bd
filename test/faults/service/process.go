// Package service runs the whole service as real processes that tests kill, in front of
// real stores, and keeps a ledger of what it has promised. There are two kinds: the one
// program of a laptop, and the functions of a cluster.
package service

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/client"
	"mp3converter/test/testproc"
)

// Process is one process of the service. It is started again whenever it has exited, as
// a kubelet does.
type Process struct {
	Name string
	url  string // "" if it serves nothing

	log   string
	env   []string
	args  []string
	pause time.Duration // before the next start

	mu      sync.Mutex
	process *testproc.Process
	stopped bool
	done    chan struct{}
}

// startProcess runs a program until the test ends.
func startProcess(t testing.TB, p *Process) *Process {
	t.Helper()
	p.done = make(chan struct{})
	go p.supervise()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			text, _ := os.ReadFile(p.log)
			t.Logf("log of %s:\n%s", p.Name, text[max(0, len(text)-6000):])
		}
	})
	return p
}

func (p *Process) supervise() {
	defer close(p.done)
	for {
		p.mu.Lock()
		if p.stopped {
			p.mu.Unlock()
			return
		}
		process, err := testproc.Start(p.log, p.env, p.args[0], p.args[1:]...)
		p.process = process
		p.mu.Unlock()
		if err == nil {
			<-process.Exited()
			process.Kill() // what is left of the group
		}
		time.Sleep(p.pause)
	}
}

// Kill kills the process with SIGKILL. It starts again.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process != nil {
		p.process.Kill()
	}
}

func (p *Process) stop() {
	p.mu.Lock()
	p.stopped = true
	process := p.process
	p.mu.Unlock()
	if process != nil {
		process.Kill()
	}
	<-p.done
}

// waitReady waits until the process serves.
func (p *Process) waitReady(ctx context.Context) error {
	if p.url == "" {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New(p.Name+" did not become ready"))
	defer cancel()
	return (&client.Client{BaseURL: p.url, HTTP: httpClient}).WaitReady(ctx)
}
