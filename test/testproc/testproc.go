// Package testproc runs the real servers that tests need, so that none
// outlives the test: not when it fails, and not when its process is killed.
// It is for tests alone.
package testproc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// leash becomes the server, after leaving a watcher in the server's process
// group. The watcher reads from a pipe that only the test holds; when the test
// is gone, however it went, it kills the group.
const leash = `{ cat <&3; kill -9 0; } >/dev/null 2>&1 & exec "$@" 3<&-`

// Process is a running server and whatever it starts.
type Process struct {
	cmd    *exec.Cmd
	hold   *os.File
	exited chan struct{}
	once   sync.Once
}

// Start runs a command, with its output appended to the file log. The caller
// must Kill it.
func Start(log string, env []string, name string, args ...string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	watched, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer watched.Close()

	cmd := exec.Command("/bin/sh", append([]string{"-c", leash, "sh", name}, args...)...)
	cmd.Dir = filepath.Dir(log)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{watched} // the child's descriptor 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		hold.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{cmd: cmd, hold: hold, exited: make(chan struct{})}
	go func() { cmd.Wait(); close(p.exited) }()
	return p, nil
}

// Exited is closed when the server has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Terminate asks the server to end, and kills it if it has not after d.
func (p *Process) Terminate(d time.Duration) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(d):
	}
	p.Kill()
}

// Kill ends the server and what it started as kill -9 does, and waits until it
// is gone. To kill it again is no error.
func (p *Process) Kill() {
	p.once.Do(func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
		p.hold.Close()
	})
}

// Find returns the path of a program, also from where Debian keeps servers, or
// fails the test with a sentence that says how to get it.
func Find(t testing.TB, name, debianPackage string) string {
	t.Helper()
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin")
	if filepath.IsAbs(name) {
		dirs = []string{""}
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("this test runs a real %s, which is not installed: run hack/deps.sh, or install the package %s", name, debianPackage)
	return ""
}

// FreePorts returns n different loopback ports that nobody listens on. A server
// takes its port seconds later, so they are not of those that the system gives
// to whoever asks for any, which are many while tests run.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	const first, last = 12000, 29999
	ports := make([]int, 0, n)
	for range 100 * n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first+1)))
		if err != nil {
			continue // taken
		}
		defer l.Close() // after all are chosen, so that they differ
		if ports = append(ports, l.Addr().(*net.TCPAddr).Port); len(ports) == n {
			return ports
		}
	}
	t.Fatalf("no %d free ports between %d and %d", n, first, last)
	return nil
}

// Root returns the directory of go.mod, in or below which every test runs.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("go.mod is not in any directory above the test's")
		}
		dir = filepath.Dir(dir)
	}
}
