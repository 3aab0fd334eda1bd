//go:build linux

package sandbox_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"

	"mp3converter/functions/converter/sandbox"
)

// Without Landlock and seccomp, as on an old kernel or under a container runtime that
// blocks them, programs run, and the other restrictions hold.
func TestWithoutLandlockAndSeccomp(t *testing.T) {
	if !isChild(t) {
		return
	}
	e := newEnvironment(t)
	hideKernelLayers(t)
	if got := sandbox.Describe(); strings.Contains(got, "Landlock") || strings.Contains(got, "filter") {
		t.Errorf("lists missing restrictions: %s", got)
	}
	if got := strings.Join(sandbox.Missing(), ", "); got != "Landlock, seccomp filters" {
		t.Errorf("missing: %s, want Landlock and seccomp filters", got)
	}
	policy := sandbox.Policy{Dir: e.dir, Memory: 1 << 30}
	for action, refused := range map[string]bool{"nothing": false, "listen": false, "memory": true, "files": true, "capabilities": true} {
		if exit, stderr := e.runProbe(t, policy, nil, action); (exit != nil) != refused {
			t.Errorf("%s: %v %s", action, exit, stderr)
		}
	}
	cmd := exec.Command(e.probe, "nothing")
	if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: e.dir, Required: true}); err != nil {
		t.Fatal(err)
	}
	if message, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != sandbox.Failed || !strings.Contains(string(message), "Landlock") {
		t.Errorf("a required sandbox: %v %s, want that it is not started", cmd.ProcessState, message)
	}
}

// Landlock blocks what is also missing from the list of system calls.
func TestWithoutSeccomp(t *testing.T) {
	requireLayer(t, "Landlock")
	if !isChild(t) {
		return
	}
	e := newEnvironment(t)
	hideCalls(t, "seccomp")
	policy := sandbox.Policy{Dir: e.dir, Port: port(e.allowed)}
	for _, args := range [][]string{
		{"read", e.canary}, {"shell"}, {"exec"}, {"copy", e.dir + "/copy"}, {"symlink", e.dir + "/link"},
		{"connect", e.forbidden.Addr().String()}, {"signal", strconv.Itoa(os.Getpid())},
	} {
		if exit, stderr := e.runProbe(t, policy, nil, args...); exit == nil {
			t.Errorf("%v succeeded: %s", args, stderr)
		}
	}
	for _, args := range [][]string{{"nothing"}, {"connect", e.allowed.Addr().String()}} {
		if exit, stderr := e.runProbe(t, policy, nil, args...); exit != nil {
			t.Errorf("%v: %v %s", args, exit, stderr)
		}
	}
}

// isChild runs the test again in another process, whose system calls it may hide, and
// reports whether this is that process.
func isChild(t *testing.T) bool {
	t.Helper()
	requireLayer(t, "system call filter") // which hides the system calls
	if os.Getenv("SANDBOX_TEST_CHILD") != "" {
		return true
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), "SANDBOX_TEST_CHILD=1")
	if message, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, message)
	}
	return false
}

// hideKernelLayers makes this process and its children believe that the kernel is old.
func hideKernelLayers(t *testing.T) {
	t.Helper()
	hideCalls(t, "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp")
}

func hideCalls(t *testing.T, names ...string) {
	t.Helper()
	err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{{
			Names:  names,
			Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS),
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
}
