//go:build linux

package sandbox_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"

	"mp3converter/functions/converter/sandbox"
)

// Without Landlock and seccomp, as on an old kernel or under a container runtime that
// blocks them, programs run, and the other restrictions hold.
func TestWithoutLandlockAndSeccomp(t *testing.T) {
	requireLayer(t, "system call filter") // the test blocks the system calls with it
	if os.Getenv("SANDBOX_TEST_OLD_KERNEL") == "" {
		child := exec.Command(os.Args[0], "-test.run", "^TestWithoutLandlockAndSeccomp$", "-test.v")
		child.Env = append(os.Environ(), "SANDBOX_TEST_OLD_KERNEL=1")
		if message, err := child.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, message)
		}
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

// hideKernelLayers makes this process and its children believe that the kernel is old.
func hideKernelLayers(t *testing.T) {
	t.Helper()
	err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{{
			Names:  []string{"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"},
			Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS),
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
}
