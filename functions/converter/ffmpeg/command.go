package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"mp3converter/functions/converter/sandbox"
)

// waitDelay limits the wait for the pipes of a program that has exited.
const waitDelay = 5 * time.Second

// ErrKilled means that ffmpeg was killed by another process or by the kernel, most
// likely because memory ran out. The video may be the reason.
var ErrKilled = errors.New("ffmpeg was killed")

var (
	errTimeout        = errors.New("time limit reached")
	errOutputTooLarge = errors.New("output too large")
)

// command runs ffmpeg or ffprobe in a sandbox, in a directory of its own, with
// limits on time, memory and output and without this process's environment.
type command struct {
	path    string
	args    []string
	dir     string
	files   []*os.File // descriptors 3 and up
	port    uint16     // that the program may connect to; 0 means none
	stdout  io.Writer
	stderr  io.Writer // receives a copy of stderr; may be nil
	timeout time.Duration
	memory  uint64 // bytes of address space
	output  uint64 // bytes per file; 0 means unlimited
}

// command returns a command that may read the input.
func (r *conversionRun) command(path string, args []string) *command {
	return &command{path: path, args: args, dir: r.dir, files: r.input.files(), port: r.input.port, memory: r.MaxMemory}
}

// run runs the program. At the end of ctx or after the timeout the whole process
// group is killed.
func (c *command) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	var stderr sandbox.Tail
	cmd.Dir = c.dir
	cmd.Env = []string{"LC_ALL=C", "HOME=" + c.dir, "TMPDIR=" + c.dir}
	cmd.ExtraFiles = c.files
	cmd.Stdout = c.stdout
	cmd.Stderr = &stderr
	if c.stderr != nil {
		cmd.Stderr = io.MultiWriter(&stderr, c.stderr)
	}
	cmd.WaitDelay = waitDelay
	// The limit on processor time is generous; it is a fallback for the timeout.
	policy := sandbox.Policy{Dir: c.dir, Port: c.port, Memory: c.memory, Output: c.output, CPU: time.Duration(runtime.NumCPU())*c.timeout + time.Minute}
	if err := sandbox.Wrap(cmd, policy); err != nil {
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
		return fmt.Errorf("%s was not started: %s", c.path, stderr.String())
	case errors.As(err, &exit):
		failed := &exitError{exit, stderr.String()}
		if failed.signal() == syscall.SIGXCPU {
			return errTimeout
		}
		return failed
	}
	return fmt.Errorf("%s: %w", c.path, err)
}

// resolveProgram replaces a program's name with its path.
func resolveProgram(program *string) error {
	path, err := exec.LookPath(*program)
	if err != nil {
		return fmt.Errorf("%s is not installed: %w", *program, err)
	}
	*program = path
	return nil
}

// exitError is the failure of a program, with the end of its stderr.
type exitError struct {
	*exec.ExitError
	stderr string
}

func (e *exitError) Error() string {
	return fmt.Sprintf("%v: %s", e.ExitError, strings.ReplaceAll(e.stderr, "\n", " | "))
}

func (e *exitError) mentions(s string) bool { return strings.Contains(e.stderr, s) }

func (e *exitError) signal() syscall.Signal {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}

// Is reports whether the error is ErrKilled.
func (e *exitError) Is(target error) bool { return target == ErrKilled && e.killed() }

// killed reports whether the program was killed.
func (e *exitError) killed() bool {
	return e.signal() == syscall.SIGKILL || e.signal() == syscall.SIGTERM
}

// tooLarge reports whether the program reached the limit on its output.
func (e *exitError) tooLarge() bool {
	return e.signal() == syscall.SIGXFSZ || e.mentions("File too large")
}

// limitedBuffer fails a write that would exceed max bytes.
type limitedBuffer struct {
	*bytes.Buffer
	max int
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.max {
		return 0, errOutputTooLarge
	}
	return l.Buffer.Write(p)
}
