// Package testproc runs servers for tests and kills them, with their children, when
// the test ends, fails, or is itself killed.
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

// watchdogScript starts a watchdog in the server's process group and then executes
// the server. The watchdog reads from a pipe whose other end only the test has open. At
// EOF, which means that the test has exited or was killed, it kills the process group.
const watchdogScript = `{ cat <&3; kill -9 0; } >/dev/null 2>&1 & exec "$@" 3<&-`

// Process is a running server, with its child processes.
type Process struct {
	cmd    *exec.Cmd
	pipe   *os.File
	exited chan struct{}
	once   sync.Once
}

// Start runs a command and appends its output to the file log. The caller must call
// Kill.
func Start(log string, env []string, name string, args ...string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reader.Close()

	cmd := exec.Command("/bin/sh", append([]string{"-c", watchdogScript, "sh", name}, args...)...)
	cmd.Dir = filepath.Dir(log)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{reader} // file descriptor 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		writer.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{cmd: cmd, pipe: writer, exited: make(chan struct{})}
	go func() { cmd.Wait(); close(p.exited) }()
	return p, nil
}

// Exited returns a channel that is closed when the server has exited.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Terminate sends SIGTERM and kills the process group when the server has exited, or
// after the timeout.
func (p *Process) Terminate(timeout time.Duration) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(timeout):
	}
	p.Kill()
}

// Kill sends SIGKILL to the process group and waits until the server has exited.
// Further calls do nothing.
func (p *Process) Kill() {
	p.once.Do(func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
		p.pipe.Close()
	})
}

// Find returns the path of a program, which it also looks for in Debian's directories
// for servers. It fails the test if the program is not installed.
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

// FreePorts returns n different loopback ports that are not in use. They are outside
// the ephemeral range, because the server takes its port only seconds later and
// other tests use many ephemeral ports.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	const first, last = 12000, 29999
	ports := make([]int, 0, n)
	for range 100 * n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first+1)))
		if err != nil {
			continue // in use
		}
		defer l.Close() // not before all are chosen, so that they differ
		if ports = append(ports, l.Addr().(*net.TCPAddr).Port); len(ports) == n {
			return ports
		}
	}
	t.Fatalf("found fewer than %d free ports between %d and %d", n, first, last)
	return nil
}

// Root returns the root directory of the repository, where go.mod is.
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
			t.Fatal("no go.mod in a parent directory")
		}
		dir = filepath.Dir(dir)
	}
}
