package sandbox

import (
	"slices"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// A name that no architecture knows would be left out everywhere, unseen.
func TestNamesOfSystemCalls(t *testing.T) {
	for _, list := range [][]string{allowed, connected, absent} {
		for _, name := range list {
			_, amd64 := arch.X86_64.SyscallNames[name]
			_, arm64 := arch.AARCH64.SyscallNames[name]
			if !amd64 && !arm64 {
				t.Errorf("no architecture has %s", name)
			}
		}
	}
	if !slices.Contains(names(arch.X86_64), "newfstatat") || !slices.Contains(names(arch.AARCH64), "fstatat") {
		t.Error("stat, whose name differs, is not allowed")
	}
	// What nothing works without is there on both.
	for _, name := range []string{"read", "write", "openat", "mmap", "futex", "exit_group", "clone", "execveat", "prlimit64", "fstat", "lseek"} {
		for _, info := range []*arch.Info{arch.X86_64, arch.AARCH64} {
			if !slices.Contains(names(info), name) {
				t.Errorf("%s is not allowed on %s", name, info.Name)
			}
		}
	}
}

func names(info *arch.Info) []string {
	group := rules(true, 1, info).Syscalls[0]
	found := group.Names
	for _, c := range group.NamesWithCondtions {
		found = append(found, c.Name)
	}
	return found
}

// Both filters fit into the kernel's bounds.
func TestFilterAssembles(t *testing.T) {
	info, err := arch.GetInfo("")
	if err != nil {
		t.Skip(err)
	}
	for _, network := range []bool{false, true} {
		policy := rules(network, 1, info)
		program, err := policy.Assemble()
		if err != nil || len(program) > 4096 {
			t.Errorf("network %v: %d instructions, %v", network, len(program), err)
		}
	}
}
