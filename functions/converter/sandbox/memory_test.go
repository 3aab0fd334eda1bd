//go:build linux

package sandbox_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mp3converter/functions/converter/sandbox"
	"mp3converter/functions/converter/sandbox/sandboxtest"
)

// ffmpeg gets no more memory than its limit.
func TestMemoryLimit(t *testing.T) {
	const limit, libraries = 256 << 20, 96 << 20
	// The filter reverse keeps all pictures.
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-filter_threads", "1",
		"-f", "lavfi", "-i", "color=size=1920x1080:duration=60", "-vf", "reverse", "-f", "null", "-")
	if cmd.Err != nil {
		t.Fatal("this test needs ffmpeg: run hack/deps.sh")
	}
	if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: t.TempDir(), Memory: limit}); err != nil {
		t.Fatal(err)
	}
	message, _ := cmd.CombinedOutput()
	if !strings.Contains(string(message), "Cannot allocate memory") {
		t.Errorf("%v %s, want that ffmpeg cannot allocate memory", cmd.ProcessState, message)
	}
	if got := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; got > limit+libraries || got < limit/2 {
		t.Errorf("ffmpeg had %d bytes, want about %d", got, limit)
	}
}

// Memory that was made read-only does not count as private. It is limited too.
func TestReadOnlyMemory(t *testing.T) {
	e := newEnvironment(t)
	exit, stderr := e.runProbe(t, sandbox.Policy{Dir: e.dir, Memory: 256 << 20}, nil, "eat and protect")
	if exit == nil || !strings.Contains(stderr, "cannot allocate memory") {
		t.Errorf("%v %s, want that it cannot allocate memory", exit, stderr)
	}
}

// Memory that the limit on private memory does not count cannot be mapped.
func TestUncountedMemory(t *testing.T) {
	requireLayer(t, "system call filter")
	e := newEnvironment(t)
	for name, c := range map[string]struct {
		flags   int
		refused bool
	}{
		"private":              {unix.MAP_PRIVATE, false},
		"shared":               {unix.MAP_SHARED, true},
		"shared and validated": {unix.MAP_SHARED_VALIDATE, true},
		"stack":                {unix.MAP_PRIVATE | unix.MAP_GROWSDOWN, true},
	} {
		exit, stderr := e.runProbe(t, sandbox.Policy{Dir: e.dir}, nil, "map", strconv.Itoa(c.flags))
		if (exit != nil) != c.refused {
			t.Errorf("%s: %v %s", name, exit, stderr)
		}
	}
}

// If the machine runs out of memory, the kernel kills the program and not its parent.
func TestKilledBeforeParent(t *testing.T) {
	program := sandboxtest.Program(t, "hang")
	cmd := exec.CommandContext(t.Context(), program)
	if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	proc := "/proc/" + strconv.Itoa(cmd.Process.Pid)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if exe, err := os.Readlink(proc + "/exe"); err == nil && exe == program {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the program did not start")
		}
	}
	if score, err := os.ReadFile(proc + "/oom_score_adj"); err != nil || strings.TrimSpace(string(score)) != "1000" {
		t.Errorf("oom_score_adj is %q, %v, want 1000", score, err)
	}
}
