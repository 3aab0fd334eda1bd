package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mp3converter/functions/converter/sandbox"
)

const (
	// stderrKept is how much of a program's last words goes into the log.
	stderrKept = 2 << 10
	// reap bounds the wait for the pipes of a program that is dead.
	reap = 5 * time.Second
)

// errTime says that a program took longer than it may.
var errTime = errors.New("time limit reached")

// errTooMuch says that a program had more to say than anybody wants to know.
var errTooMuch = errors.New("answer too long")

// command is a program that reads a hostile file: in a sandbox and an empty
// directory of its own, with limits on time, memory and output, and without our
// environment.
type command struct {
	path   string
	args   []string
	dir    string
	files  []*os.File // as descriptors 3 and up
	port   uint16     // where the input is served; 0 if it is not
	stdout io.Writer
	stderr io.Writer // gets what the program says, beside the log; may be nil
	time   time.Duration
	memory uint64 // bytes of address space
	output uint64 // bytes of a file; 0 is no limit
}

func (a *attempt) program(path, dir string, in *input, args []string) *command {
	return &command{path: path, args: args, dir: dir, files: in.files(), port: in.port(), memory: a.config.MaxMemory}
}

// port is where a video without a file is served.
func (in *input) port() uint16 {
	u, err := url.Parse(in.url)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(u.Port(), 10, 16)
	return uint16(n)
}

// do runs the program to its end. When ctx ends or time is up, the whole
// process group is killed.
func (c *command) do(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.time, errTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	var last tail
	cmd.Dir = c.dir
	cmd.Env = []string{"LC_ALL=C", "HOME=" + c.dir, "TMPDIR=" + c.dir}
	cmd.ExtraFiles = c.files
	cmd.Stdout = c.stdout
	cmd.Stderr = &last
	if c.stderr != nil {
		cmd.Stderr = io.MultiWriter(&last, c.stderr)
	}
	cmd.WaitDelay = reap
	// Processor time is bounded too, loosely, for the day that a killed program
	// goes on.
	limits := sandbox.Policy{Dir: c.dir, Port: c.port, Memory: c.memory, Output: c.output, CPU: time.Duration(runtime.NumCPU())*c.time + time.Minute}
	if err := sandbox.Wrap(cmd, limits); err != nil {
		return err
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case errors.As(err, &exit) && exit.ExitCode() == sandbox.Failed:
		return fmt.Errorf("%s was not started: %s", c.path, strings.TrimSpace(last.String()))
	case errors.As(err, &exit):
		ended := &exitError{exit, last.String()}
		if ended.signal() == syscall.SIGXCPU {
			return errTime
		}
		return ended
	}
	return fmt.Errorf("%s: %w", c.path, err)
}

// locate resolves a program's name once: later the working directory is
// another.
func locate(program *string) error {
	path, err := exec.LookPath(*program)
	if err != nil {
		return fmt.Errorf("%s is not installed: %w", *program, err)
	}
	*program = path
	return nil
}

// exitError is the end of a program that says it failed.
type exitError struct {
	*exec.ExitError
	stderr string
}

func (e *exitError) Error() string {
	return fmt.Sprintf("%v: %s", e.ExitError, strings.ReplaceAll(strings.TrimSpace(e.stderr), "\n", " | "))
}

func (e *exitError) mentions(s string) bool { return strings.Contains(e.stderr, s) }

func (e *exitError) signal() syscall.Signal {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}

// killed tells that somebody, most likely the kernel for want of memory, ended
// the program from outside.
func (e *exitError) killed() bool {
	return e.signal() == syscall.SIGKILL || e.signal() == syscall.SIGTERM
}

// tooLarge tells that the output limit was reached.
func (e *exitError) tooLarge() bool {
	return e.signal() == syscall.SIGXFSZ || e.mentions("File too large")
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p[max(0, len(p)-stderrKept):]...)
	if over := len(t.b) - stderrKept; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }

// limitedBuffer refuses to grow for ever.
type limitedBuffer struct {
	*bytes.Buffer
	max int
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.max {
		return 0, errTooMuch
	}
	return l.Buffer.Write(p)
}
