package sandbox

import (
	"slices"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// A misspelt name would be omitted on every architecture without an error.
func TestSyscallNames(t *testing.T) {
	for _, list := range [][]string{allowedSyscalls, networkSyscalls, unimplementedSyscalls} {
		for _, name := range list {
			_, amd64 := arch.X86_64.SyscallNames[name]
			_, arm64 := arch.AARCH64.SyscallNames[name]
			if !amd64 && !arm64 {
				t.Errorf("no architecture has %s", name)
			}
		}
	}
	if !slices.Contains(allowedNames(arch.X86_64), "newfstatat") || !slices.Contains(allowedNames(arch.AARCH64), "fstatat") {
		t.Error("newfstatat (amd64) or fstatat (arm64) is not allowed")
	}
	// Without these, no program works.
	for _, name := range []string{"read", "write", "openat", "mmap", "futex", "exit_group", "clone", "execveat", "prlimit64", "fstat", "lseek"} {
		for _, info := range []*arch.Info{arch.X86_64, arch.AARCH64} {
			if !slices.Contains(allowedNames(info), name) {
				t.Errorf("%s is not allowed on %s", name, info.Name)
			}
		}
	}
}

func allowedNames(info *arch.Info) []string {
	group := seccompPolicy(true, 1, info).Syscalls[0]
	found := group.Names
	for _, c := range group.NamesWithCondtions {
		found = append(found, c.Name)
	}
	return found
}

// The kernel limits a filter to 4096 instructions.
func TestFilterAssembles(t *testing.T) {
	info, err := arch.GetInfo("")
	if err != nil {
		t.Skip(err)
	}
	for _, network := range []bool{false, true} {
		policy := seccompPolicy(network, 1, info)
		program, err := policy.Assemble()
		if err != nil || len(program) > 4096 {
			t.Errorf("network %v: %d instructions, %v", network, len(program), err)
		}
	}
}
