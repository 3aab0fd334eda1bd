package ffmpeg

import (
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

// ErrKilled means that ffmpeg was killed from outside, most likely by the kernel
// because memory ran out. The video may be the cause.
var ErrKilled = errors.New("ffmpeg was killed")

var (
	errTimeout        = errors.New("time limit reached")
	errTooLong        = errors.New("conversion took too long")
	errOutOfMemory    = errors.New("memory limit reached")
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
	clock   *stopwatch
	timeout time.Duration        // of the clock
	extend  func() time.Duration // a longer timeout, which may grow while the program runs; may be nil
	longest time.Duration        // that extend returns
	memory  uint64               // bytes
	output  uint64               // bytes per file; 0 means unlimited

	sandboxed bool // the whole sandbox is required
}

// command returns a command that may read the input.
func (r *conversionRun) command(path string, args []string) *command {
	return &command{path: path, args: args, dir: r.dir, files: r.input.files(), port: r.input.port, clock: r.clock,
		memory: r.memory.Program, sandboxed: r.Sandbox == sandboxRequired}
}

// run runs the program. At the end of ctx or after the timeout the whole process
// group is killed.
func (c *command) run(ctx context.Context) error {
	ctx, cancel := c.clock.withLimit(ctx, func() time.Duration { return max(c.timeout, c.extended()) })
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	var stderr sandbox.Tail
	cmd.Dir = c.dir
	cmd.Env = append(environment(), "HOME="+c.dir, "TMPDIR="+c.dir)
	cmd.ExtraFiles = c.files
	cmd.Stdout = c.stdout
	cmd.Stderr = &stderr
	if c.stderr != nil {
		cmd.Stderr = io.MultiWriter(&stderr, c.stderr)
	}
	cmd.WaitDelay = waitDelay
	if err := sandbox.Wrap(cmd, c.policy()); err != nil {
		return err
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil && outOfMemory(stderr.String()):
		// ffmpeg ends as at the end of the video.
		return errOutOfMemory
	case err == nil && strings.Contains(stderr.String(), noSpace):
		// ffmpeg may exit with 0 if it cannot write the end of the file.
		return fmt.Errorf("%s: %w", c.path, syscall.ENOSPC)
	case err == nil:
		return nil
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case errors.As(err, &exit) && exit.ExitCode() == sandbox.Failed:
		return fmt.Errorf("%s was not started: %s", c.path, stderr.String())
	case errors.As(err, &exit):
		return (&exitError{exit, stderr.String()}).orLimit()
	}
	return fmt.Errorf("%s: %w", c.path, err)
}

// policy returns what the program may do. The limit on processor time is generous. It is for
// a program that computes while it also waits for the store.
func (c *command) policy() sandbox.Policy {
	return sandbox.Policy{
		Dir: c.dir, Port: c.port, Memory: c.memory, Output: c.output, Required: c.sandboxed,
		CPU: time.Duration(runtime.NumCPU())*max(c.timeout, c.longest) + time.Minute,
	}
}

func (c *command) extended() time.Duration {
	if c.extend == nil {
		return 0
	}
	return c.extend()
}

// environment is that of every program: messages in English, and no address space for
// allocations that threads make beside each other.
func environment() []string { return []string{"LC_ALL=C", "MALLOC_ARENA_MAX=1"} }

// noSpace is ffmpeg's message for a full disk.
const noSpace = "No space left on device"

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

// Is makes errors.Is(e, ErrKilled) report whether the program was killed.
func (e *exitError) Is(target error) bool { return target == ErrKilled && e.killed() }

// orLimit returns the error of the limit that the program reached, or e if it reached none.
func (e *exitError) orLimit() error {
	switch {
	case e.signal() == syscall.SIGXCPU:
		return errTimeout
	case outOfMemory(e.stderr):
		return fmt.Errorf("%w: %w", errOutOfMemory, e)
	}
	return e
}

func (e *exitError) mentions(s string) bool { return strings.Contains(e.stderr, s) }

func (e *exitError) signal() syscall.Signal {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}

// killed reports whether the program was killed by another process or the kernel,
// most likely because memory ran out. ffmpeg handles SIGTERM and exits with 255.
func (e *exitError) killed() bool {
	return e.signal() == syscall.SIGKILL || e.signal() == syscall.SIGTERM || e.ExitCode() == 255
}

// outOfMemory reports whether a program reached the limit on its memory, by the messages of
// the two C libraries. Indented lines are tags of the video.
func outOfMemory(stderr string) bool {
	for line := range strings.Lines(stderr) {
		message := strings.TrimRight(line, ".\n")
		if !strings.HasPrefix(line, " ") && (strings.HasSuffix(message, ": Cannot allocate memory") || strings.HasSuffix(message, ": Out of memory")) {
			return true
		}
	}
	return false
}

// tooLarge reports whether the program reached the limit on its output.
func (e *exitError) tooLarge() bool {
	return e.signal() == syscall.SIGXFSZ || e.mentions("File too large")
}

// limitedBuffer fails the first write that would exceed max bytes, and all later ones.
type limitedBuffer struct {
	bytes    []byte
	max      int
	exceeded bool
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.exceeded = l.exceeded || len(l.bytes)+len(p) > l.max; l.exceeded {
		return 0, errOutputTooLarge
	}
	l.bytes = append(l.bytes, p...)
	return len(p), nil
}
