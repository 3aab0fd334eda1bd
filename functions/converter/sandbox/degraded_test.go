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

// On an old kernel, or in a container whose runtime does not know the calls,
// the walls that are left hold, and everything works.
func TestWithoutTheKernelsHelp(t *testing.T) {
	layer(t, "system call filter") // to take the calls away with
	if os.Getenv("SANDBOX_TEST_OLD_KERNEL") == "" {
		again := exec.Command(os.Args[0], "-test.run", "^TestWithoutTheKernelsHelp$", "-test.v")
		again.Env = append(os.Environ(), "SANDBOX_TEST_OLD_KERNEL=1")
		if message, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, message)
		}
		return
	}
	p := newPlace(t)
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
	if got := sandbox.Describe(); strings.Contains(got, "Landlock") || strings.Contains(got, "filter") {
		t.Errorf("says that it has what it has not: %s", got)
	}
	policy := sandbox.Policy{Dir: p.dir, Memory: 1 << 30}
	for what, refused := range map[string]bool{"nothing": false, "listen": false, "memory": true, "files": true, "capabilities": true} {
		if exit, stderr := p.try(t, policy, nil, what); (exit != nil) != refused {
			t.Errorf("%s: %v %s", what, exit, stderr)
		}
	}
}
