//go:build linux

package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"

	"mp3converter/functions/converter/sandbox"
	"mp3converter/functions/converter/sandbox/sandboxtest"
)

// environment has the files and ports that the probe tries to access.
type environment struct {
	probe, dir, canary string
	allowed, forbidden *net.TCPListener
}

func newEnvironment(t *testing.T) environment {
	t.Helper()
	e := environment{probe: sandboxtest.Program(t, "probe"), dir: t.TempDir(), allowed: listen(t), forbidden: listen(t)}
	e.canary = filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(e.canary, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	return e
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func port(l *net.TCPListener) uint16 { return uint16(l.Addr().(*net.TCPAddr).Port) }

// runProbe runs the probe in the sandbox.
func (e environment) runProbe(t *testing.T, policy sandbox.Policy, files []*os.File, args ...string) (*exec.ExitError, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.probe, args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr, cmd.ExtraFiles = policy.Dir, []string{"LC_ALL=C"}, &stderr, files
	if err := sandbox.Wrap(cmd, policy); err != nil {
		t.Fatal(err)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil && exit.ExitCode() == sandbox.Failed {
		t.Fatalf("the sandbox could not be set up: %s", &stderr)
	}
	return exit, stderr.String()
}

// requireLayer skips the test if this kernel lacks a layer of the sandbox.
func requireLayer(t *testing.T, name string) {
	t.Helper()
	if !strings.Contains(sandbox.Describe(), name) {
		t.Skipf("this kernel has no %s: %s", name, sandbox.Describe())
	}
}

func TestBlocked(t *testing.T) {
	e := newEnvironment(t)
	closed := sandbox.Policy{Dir: e.dir, Memory: 1 << 30, Output: 1 << 20, CPU: time.Second}
	open := closed
	open.Port = port(e.allowed)
	const landlock, filter, limits = "Landlock", "system call filter", "resource limits"
	call := func(name string) string {
		info, err := arch.GetInfo("")
		if err != nil {
			t.Fatal(err)
		}
		number, known := info.SyscallNames[name]
		if !known {
			t.Fatalf("no system call %s", name)
		}
		return strconv.Itoa(number)
	}
	for _, c := range []struct {
		name, layer string
		policy      sandbox.Policy
		args        []string
	}{
		{"read outside", landlock, closed, []string{"read", e.canary}},
		{"read outside by a relative path", landlock, closed, []string{"read", e.dir + "/../" + filepath.Base(filepath.Dir(e.canary)) + "/canary"}},
		{"read /etc/passwd", landlock, closed, []string{"read", "/etc/passwd"}},
		{"read our environment", landlock, closed, []string{"read", "/proc/" + strconv.Itoa(os.Getpid()) + "/environ"}},
		{"list the root", landlock, closed, []string{"list", "/"}},
		{"write outside", landlock, closed, []string{"write", e.canary}},
		{"remove outside", landlock, closed, []string{"remove", e.canary}},
		{"write a library", landlock, closed, []string{"write", "/usr/lib/new"}},
		{"any socket", filter, closed, []string{"socket", "2", "1"}},
		{"connect without network", filter, closed, []string{"connect", e.allowed.Addr().String()}},
		{"connect elsewhere", landlock, open, []string{"connect", e.forbidden.Addr().String()}},
		{"connect by sending", filter, open, []string{"send", e.allowed.Addr().String()}},
		{"listen", filter, open, []string{"listen"}},
		{"datagrams", filter, open, []string{"socket", "2", "2"}},
		{"IPv6", filter, open, []string{"socket", "10", "1"}},
		{"Unix sockets", filter, open, []string{"socket", "1", "1"}},
		{"netlink", filter, open, []string{"socket", "16", "3"}},
		{"packets", filter, open, []string{"socket", "17", "3"}},
		{"start a shell", filter, closed, []string{"shell"}},
		{"exec a shell", filter, closed, []string{"exec"}},
		{"signal the parent", filter, closed, []string{"signal", strconv.Itoa(os.Getpid())}},
		{"too much memory", limits, closed, []string{"memory"}},
		{"too much output", limits, closed, []string{"fill", "big"}},
		{"too many files", limits, closed, []string{"files"}},
		{"too much time", limits, closed, []string{"spin"}},
		{"core dumps", limits, closed, []string{"core"}},
		{"capabilities", "no capabilities", closed, []string{"capabilities"}},
		{"ptrace", filter, closed, []string{"call", call("ptrace")}},
		{"mount", filter, closed, []string{"call", call("mount")}},
		{"bpf", filter, closed, []string{"call", call("bpf")}},
		{"keyctl", filter, closed, []string{"call", call("keyctl")}},
		{"unshare", filter, closed, []string{"call", call("unshare")}},
		{"setns", filter, closed, []string{"call", call("setns")}},
		{"perf_event_open", filter, closed, []string{"call", call("perf_event_open")}},
		{"io_uring", filter, closed, []string{"call", call("io_uring_setup")}},
		{"userfaultfd", filter, closed, []string{"call", call("userfaultfd")}},
		{"processes", filter, closed, []string{"call", call("clone")}},
		{"memory of other processes", filter, closed, []string{"call", call("process_vm_readv")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			requireLayer(t, c.layer)
			exit, stderr := e.runProbe(t, c.policy, nil, c.args...)
			if exit == nil {
				t.Errorf("%v succeeded", c.args)
			}
			t.Logf("%v %s", exit, stderr)
		})
	}
	if text, err := os.ReadFile(e.canary); err != nil || string(text) != "secret" {
		t.Errorf("the canary is %q, %v", text, err)
	}
}

// What the policy allows succeeds.
func TestAllowed(t *testing.T) {
	e := newEnvironment(t)
	policy := sandbox.Policy{Dir: e.dir, Port: port(e.allowed), Memory: 8 << 30, CPU: time.Minute, Required: len(sandbox.Missing()) == 0}
	input, err := os.Open(e.canary)
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	for _, args := range [][]string{
		{"nothing"},
		{"write", e.dir + "/new"},
		{"read", e.dir + "/new"},
		{"list", e.dir},
		{"remove", e.dir + "/new"},
		{"read", "/dev/fd/3"},
		{"read", e.canary}, // the input, by its path
		{"memory"},
		{"connect", e.allowed.Addr().String()},
	} {
		if exit, stderr := e.runProbe(t, policy, []*os.File{input}, args...); exit != nil {
			t.Errorf("%v: %v %s", args, exit, stderr)
		}
	}
	if exit, _ := e.runProbe(t, policy, []*os.File{input}, "write", e.canary); exit == nil {
		t.Error("the input could be written")
	}
}

// Without a sandbox every action succeeds, so it is the sandbox that blocks them.
func TestProbeWithoutSandbox(t *testing.T) {
	e := newEnvironment(t)
	for _, args := range [][]string{
		{"read", e.canary}, {"list", "/"}, {"write", e.canary}, {"socket", "2", "1"}, {"socket", "2", "2"}, {"listen"},
		{"connect", e.forbidden.Addr().String()}, {"shell"}, {"exec"}, {"signal", strconv.Itoa(os.Getpid())},
		{"send", e.forbidden.Addr().String()}, {"symlink", e.dir + "/link"}, {"copy", e.dir + "/copy"}, {"memory"}, {"remove", e.canary},
	} {
		cmd := exec.Command(e.probe, args...)
		if message, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v %s", args, err, message)
		}
	}
}

func TestDescriptorsAreNotInherited(t *testing.T) {
	e := newEnvironment(t)
	// Opened without O_CLOEXEC, as C libraries do.
	fd, err := syscall.Open(e.canary, syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if exit, _ := e.runProbe(t, sandbox.Policy{Dir: e.dir}, nil, "read", "/dev/fd/"+strconv.Itoa(fd)); exit == nil {
		t.Error("the program can read a descriptor of its parent")
	}
}

// The program ends when its parent is killed.
func TestKilledWithParent(t *testing.T) {
	if dir := os.Getenv("SANDBOX_TEST_PARENT"); dir != "" {
		cmd := exec.Command(os.Getenv("SANDBOX_TEST_PROGRAM"))
		cmd.Dir = dir
		cmd.Stdout = os.Stdout // stays open while the program runs
		if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		t.Fatal("the program ended before its parent: ", cmd.Run())
	}
	program, dir := sandboxtest.Program(t, "hang"), t.TempDir()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	parent := exec.Command(os.Args[0], "-test.run", "^TestKilledWithParent$")
	parent.Env = append(os.Environ(), "SANDBOX_TEST_PARENT="+dir, "SANDBOX_TEST_PROGRAM="+program)
	parent.Stdout = write
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	for deadline := time.Now().Add(30 * time.Second); !running(t, program); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			parent.Process.Kill()
			t.Fatal("the program did not start")
		}
	}
	parent.Process.Kill()
	parent.Wait()
	read.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := read.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the program is still running: %v", err)
	}
}

func running(t *testing.T, program string) bool {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if exe, err := os.Readlink(link); err == nil && exe == program {
			return true
		}
	}
	return false
}

// The sandbox works for an unprivileged user, as in a container.
func TestUnprivilegedUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("already unprivileged")
	}
	e := newEnvironment(t)
	os.Chmod(e.dir, 0o755)
	makeReadable(e.dir)
	makeReadable(e.probe)
	if err := os.Chown(e.dir, 65532, 65532); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		ok   bool
	}{{[]string{"write", "new"}, true}, {[]string{"read", "/etc/passwd"}, false}, {[]string{"shell"}, false}} {
		cmd := exec.Command(e.probe, c.args...)
		cmd.Dir = e.dir
		if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: e.dir}); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
		message, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() == sandbox.Failed {
			t.Fatalf("the sandbox could not be set up: %s", message)
		}
		if (err == nil) != c.ok {
			t.Errorf("%v: %v %s", c.args, err, message)
		}
	}
}

func TestInvalidProgram(t *testing.T) {
	for name, content := range map[string]string{"text": "hello", "script": "#!/bin/sh\nexit 0\n", "missing": ""} {
		path := filepath.Join(t.TempDir(), "program")
		if content != "" {
			if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(path)
		if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		message, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != sandbox.Failed || !strings.HasPrefix(string(message), "sandbox: ") {
			t.Errorf("%s: %v %s", name, cmd.ProcessState, message)
		}
	}
}

func TestDescribe(t *testing.T) {
	got := sandbox.Describe()
	if unix.Prctl(unix.PR_GET_SECCOMP, 0, 0, 0, 0) == nil && !strings.Contains(got, "filter") {
		t.Errorf("%q does not list the system call filter", got)
	}
	t.Log(got)
}

// BenchmarkStart compares starting a program with and without a sandbox.
func BenchmarkStart(b *testing.B) {
	program := sandboxtest.Program(b, "probe")
	for _, wrapped := range []bool{false, true} {
		b.Run("sandbox="+strconv.FormatBool(wrapped), func(b *testing.B) {
			for b.Loop() {
				cmd := exec.Command(program, "nothing")
				if wrapped {
					if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: b.TempDir(), Memory: 1 << 30}); err != nil {
						b.Fatal(err)
					}
				}
				if message, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, message)
				}
			}
		})
	}
}
