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

// place is what a prisoner finds.
type place struct {
	probe, dir, canary string
	allowed, forbidden *net.TCPListener
}

func newPlace(t *testing.T) place {
	t.Helper()
	p := place{probe: sandboxtest.Program(t, "probe"), dir: t.TempDir(), allowed: listen(t), forbidden: listen(t)}
	p.canary = filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(p.canary, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
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

// try runs the probe in the sandbox.
func (p place) try(t *testing.T, policy sandbox.Policy, files []*os.File, args ...string) (*exec.ExitError, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.probe, args...)
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

// layer says which layer of the kernel a test needs.
func layer(t *testing.T, name string) {
	t.Helper()
	if !strings.Contains(sandbox.Describe(), name) {
		t.Skipf("this kernel has no %s: %s", name, sandbox.Describe())
	}
}

func TestWhatIsRefused(t *testing.T) {
	p := newPlace(t)
	closed := sandbox.Policy{Dir: p.dir, Memory: 1 << 30, Output: 1 << 20, CPU: time.Second}
	open := closed
	open.Port = port(p.allowed)
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
		{"read outside", landlock, closed, []string{"read", p.canary}},
		{"read outside by a detour", landlock, closed, []string{"read", p.dir + "/../" + filepath.Base(filepath.Dir(p.canary)) + "/canary"}},
		{"read users", landlock, closed, []string{"read", "/etc/passwd"}},
		{"read our environment", landlock, closed, []string{"read", "/proc/" + strconv.Itoa(os.Getpid()) + "/environ"}},
		{"list the root", landlock, closed, []string{"list", "/"}},
		{"write outside", landlock, closed, []string{"write", p.canary}},
		{"remove outside", landlock, closed, []string{"remove", p.canary}},
		{"write a library", landlock, closed, []string{"write", "/usr/lib/new"}},
		{"any socket", filter, closed, []string{"socket", "2", "1"}},
		{"connect without network", filter, closed, []string{"connect", p.allowed.Addr().String()}},
		{"connect elsewhere", landlock, open, []string{"connect", p.forbidden.Addr().String()}},
		{"listen", filter, open, []string{"listen"}},
		{"datagrams", filter, open, []string{"socket", "2", "2"}},
		{"IPv6", filter, open, []string{"socket", "10", "1"}},
		{"Unix sockets", filter, open, []string{"socket", "1", "1"}},
		{"netlink", filter, open, []string{"socket", "16", "3"}},
		{"packets", filter, open, []string{"socket", "17", "3"}},
		{"start a shell", filter, closed, []string{"shell"}},
		{"become a shell", filter, closed, []string{"become"}},
		{"signal the parent", filter, closed, []string{"signal", strconv.Itoa(os.Getpid())}},
		{"too much memory", limits, closed, []string{"memory"}},
		{"too much output", limits, closed, []string{"fill", "big"}},
		{"too many files", limits, closed, []string{"files"}},
		{"too much time", limits, closed, []string{"spin"}},
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
		{"memory of others", filter, closed, []string{"call", call("process_vm_readv")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			layer(t, c.layer)
			exit, stderr := p.try(t, c.policy, nil, c.args...)
			if exit == nil {
				t.Errorf("%v succeeded", c.args)
			}
			t.Logf("%v %s", exit, stderr)
		})
	}
	if text, err := os.ReadFile(p.canary); err != nil || string(text) != "secret" {
		t.Errorf("the canary is %q, %v", text, err)
	}
}

// The same tries succeed where they are allowed: the probe can do what it is
// refused above.
func TestWhatIsAllowed(t *testing.T) {
	p := newPlace(t)
	policy := sandbox.Policy{Dir: p.dir, Port: port(p.allowed), Memory: 8 << 30, CPU: time.Minute}
	input, err := os.Open(p.canary)
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	for _, args := range [][]string{
		{"nothing"},
		{"write", p.dir + "/new"},
		{"read", p.dir + "/new"},
		{"list", p.dir},
		{"remove", p.dir + "/new"},
		{"read", "/dev/fd/3"},
		{"read", p.canary}, // the input, by its own name
		{"memory"},
		{"connect", p.allowed.Addr().String()},
	} {
		if exit, stderr := p.try(t, policy, []*os.File{input}, args...); exit != nil {
			t.Errorf("%v: %v %s", args, exit, stderr)
		}
	}
	if exit, _ := p.try(t, policy, []*os.File{input}, "write", p.canary); exit == nil {
		t.Error("the input could be written")
	}
}

// Outside of a sandbox the probe gets through, so the refusals are the
// sandbox's.
func TestTheProbeItself(t *testing.T) {
	p := newPlace(t)
	for _, args := range [][]string{
		{"read", p.canary}, {"list", "/"}, {"write", p.canary}, {"socket", "2", "1"}, {"socket", "2", "2"}, {"listen"},
		{"connect", p.forbidden.Addr().String()}, {"shell"}, {"become"}, {"signal", strconv.Itoa(os.Getpid())},
		{"memory"}, {"remove", p.canary},
	} {
		cmd := exec.Command(p.probe, args...)
		if message, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v %s", args, err, message)
		}
	}
}

func TestEveryDescriptorIsClosed(t *testing.T) {
	p := newPlace(t)
	// A descriptor that is inherited by accident, as C libraries make them.
	fd, err := syscall.Open(p.canary, syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if exit, _ := p.try(t, sandbox.Policy{Dir: p.dir}, nil, "read", "/dev/fd/"+strconv.Itoa(fd)); exit == nil {
		t.Error("the program reads a descriptor of ours")
	}
}

// A program that has children is not a case for the group: it cannot have any.
// But the process that started it can die.
func TestNothingOutlivesItsParent(t *testing.T) {
	if dir := os.Getenv("SANDBOX_TEST_PARENT"); dir != "" {
		cmd := exec.Command(os.Getenv("SANDBOX_TEST_PROGRAM"))
		cmd.Dir = dir
		cmd.Stdout = os.Stdout // to be seen open while the program lives
		if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		t.Fatal("the program has ended before its parent: ", cmd.Run())
	}
	program, dir := sandboxtest.Program(t, "hang"), t.TempDir()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	parent := exec.Command(os.Args[0], "-test.run", "^TestNothingOutlivesItsParent$")
	parent.Env = append(os.Environ(), "SANDBOX_TEST_PARENT="+dir, "SANDBOX_TEST_PROGRAM="+program)
	parent.Stdout = write
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	for deadline := time.Now().Add(30 * time.Second); !running(t, program); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			parent.Process.Kill()
			t.Fatal("the program never ran")
		}
	}
	parent.Process.Kill()
	parent.Wait()
	read.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := read.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the program lives on: %v", err)
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

// Nobody in particular is enough to use it: a container has no root.
func TestWithoutPrivileges(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("is without them already")
	}
	p := newPlace(t)
	for dir := p.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	for dir := filepath.Dir(p.probe); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	if err := os.Chown(p.dir, 65532, 65532); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		ok   bool
	}{{[]string{"write", "new"}, true}, {[]string{"read", "/etc/passwd"}, false}, {[]string{"shell"}, false}} {
		cmd := exec.Command(p.probe, c.args...)
		cmd.Dir = p.dir
		if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: p.dir}); err != nil {
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

func TestAProgramThatIsNone(t *testing.T) {
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
		t.Errorf("%q does not name the filter", got)
	}
	t.Log(got)
}

// What it costs to start a program through a sandbox; compare with bare.
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
