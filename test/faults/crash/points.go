// Package crash ends its own process right after a durable effect: it wraps the stores
// of a function so that every write is a named point at which a test can crash it.
//
// The name of a point is made from the function that writes and from what is written,
// such as "converter: claimJob: jobs.Update queued to converting". So a write that is
// new in the code is a new point, without an entry in a list. The wrappers embed no
// interface: a method that is new in an interface does not compile until it is wrapped.
package crash

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
)

// Variable is the environment variable with the directory of a Control.
const Variable = "CRASH_DIR"

// Control is a directory through which a test controls the processes that it crashes.
// Several processes may share it.
type Control struct{ Dir string }

// FromEnvironment returns the control of this process.
func FromEnvironment() (Control, error) {
	dir := os.Getenv(Variable)
	if dir == "" {
		return Control{}, errors.New(Variable + " is not set")
	}
	return Control{dir}, nil
}

func (c Control) armedFile(point string) string {
	return filepath.Join(c.Dir, "armed-"+hex.EncodeToString([]byte(point)))
}

// Arm lets the next process that passes the point crash there.
func (c Control) Arm(point string) error { return os.WriteFile(c.armedFile(point), nil, 0o600) }

// Disarm takes Arm back. It reports whether the point was armed, which means that no
// process has passed it.
func (c Control) Disarm(point string) bool { return os.Remove(c.armedFile(point)) == nil }

// Armed reports whether no process has passed the armed point yet.
func (c Control) Armed(point string) bool {
	_, err := os.Stat(c.armedFile(point))
	return err == nil
}

// Fail lets audio.Put or videos.Put fail until Heal, or queue.Wake lose the wake-ups.
func (c Control) Fail(effect string) error {
	return os.WriteFile(filepath.Join(c.Dir, "fail-"+effect), nil, 0o600)
}

// Heal ends Fail.
func (c Control) Heal(effect string) error { return os.Remove(filepath.Join(c.Dir, "fail-"+effect)) }

// Passed returns the points that the processes have passed, in order and with
// repetitions.
func (c Control) Passed() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(c.Dir, "passed"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' }), err
}

// failed returns the error of an effect that a test lets fail.
func (c Control) failed(effect string) error {
	if _, err := os.Stat(filepath.Join(c.Dir, "fail-"+effect)); err == nil {
		return fmt.Errorf("%s fails in this test", effect)
	}
	return nil
}

// pass records a point, and kills the process if the point is armed.
func (c Control) pass(effect string) {
	point := caller() + ": " + effect
	f, err := os.OpenFile(filepath.Join(c.Dir, "passed"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := f.WriteString(point + "\n"); err != nil {
		panic(err)
	}
	if c.Disarm(point) {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	}
}

// functionName splits mp3converter/functions/NAME/.../package.(*Type).method.func1.
var functionName = regexp.MustCompile(`^mp3converter/functions/(\w+)/.*?\.(?:\(\*?\w+\)\.)?(\w+)`)

// caller returns "NAME: method" of the nearest function of the service on the stack.
func caller() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		frame, more := frames.Next()
		if m := functionName.FindStringSubmatch(frame.Function); m != nil {
			return m[1] + ": " + m[2]
		}
		if !more {
			return "other"
		}
	}
}
