package sandbox

import (
	"errors"
	"os"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// The filter is a list of what is allowed, not of what is forbidden: what the
// kernel learns next year is refused, and so are the calls of other
// architectures (32-bit ones on a 64-bit kernel), which a list of numbers to
// forbid would let through.

// allowed is what decoding and encoding takes: memory, threads, time, and the
// files that can be opened at all. Names that an architecture does not have are
// left out there.
var allowed = []string{
	"access", "arch_prctl", "brk", "capget", "clock_getres", "clock_gettime", "clock_nanosleep", "close", "close_range",
	"dup", "dup2", "dup3", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "exit", "exit_group",
	"faccessat", "faccessat2", "fadvise64", "fallocate", "fcntl", "fdatasync", "flock", "fstat", "fstatat", "fstatfs", "fsync", "ftruncate",
	"futex", "get_robust_list", "getcwd", "getdents64", "getegid", "geteuid", "getgid", "getpgrp", "getpid", "getppid",
	"getpriority", "getrandom", "getrusage", "getrlimit", "gettid", "gettimeofday", "getuid", "lseek", "lstat", "madvise",
	"membarrier", "mincore", "mkdir", "mkdirat", "mlock", "mmap", "mprotect", "mremap", "munlock", "munmap", "nanosleep", "newfstatat",
	"open", "openat", "pipe", "pipe2", "poll", "ppoll", "pread64", "preadv", "pselect6", "pwrite64", "pwritev", "read", "readlink", "readlinkat",
	"readv", "rename", "renameat", "renameat2", "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
	"rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "sched_get_priority_max", "sched_get_priority_min",
	"sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_setaffinity", "sched_yield", "select",
	"set_robust_list", "set_tid_address", "sigaltstack", "stat", "statfs", "statx", "sysinfo", "time", "times", "umask",
	"uname", "unlink", "unlinkat", "write", "writev",
}

// connected is what an allowed connection takes besides.
var connected = []string{"connect", "getpeername", "getsockname", "getsockopt", "recvfrom", "setsockopt", "shutdown"}

// absent are answered as by a kernel that does not have them: the C library
// then does the same with a call whose arguments can be filtered.
var absent = []string{"clone3", "openat2"}

// filter forbids all other system calls of the program.
func filter(o order) error {
	if !filterable() {
		return nil
	}
	info, err := arch.GetInfo("")
	if err != nil {
		return nil //nolint:nilerr // not a machine that the library knows
	}
	err = seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Policy: rules(o.Port != 0, uint64(os.Getpid()), info)})
	if errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

func filterable() bool {
	_, err := arch.GetInfo("")
	return err == nil && seccomp.Supported()
}

func rules(network bool, pid uint64, info *arch.Info) seccomp.Policy {
	names := allowed
	conditions := []seccomp.NameWithConditions{
		// Threads, not processes.
		when("clone", argument(0, seccomp.BitsSet, unix.CLONE_THREAD)),
		// Once, to become the program.
		when("execveat", argument(0, seccomp.Equal, programFD), argument(4, seccomp.Equal, unix.AT_EMPTY_PATH)),
		// Signals to itself, as abort sends.
		when("kill", argument(0, seccomp.Equal, pid)),
		when("tgkill", argument(0, seccomp.Equal, pid)),
		// Its own limits, which it can only lower.

		when("prlimit64", argument(0, seccomp.Equal, 0)),
		when("prctl", argument(0, seccomp.Equal, unix.PR_SET_NAME)),
		when("prctl", argument(0, seccomp.Equal, unix.PR_GET_NAME)),
		when("prctl", argument(0, seccomp.Equal, unix.PR_SET_VMA)),
		when("ioctl", argument(1, seccomp.Equal, unix.TCGETS)),
		when("ioctl", argument(1, seccomp.Equal, unix.TIOCGWINSZ)),
	}
	if network {
		names = append(connected[:len(connected):len(connected)], names...)
		for _, flags := range []uint64{0, unix.SOCK_CLOEXEC, unix.SOCK_NONBLOCK, unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK} {
			conditions = append(conditions, when("socket",
				argument(0, seccomp.Equal, unix.AF_INET), argument(1, seccomp.Equal, unix.SOCK_STREAM|flags)))
		}
		// Not to an address: that would connect unseen by Landlock.
		conditions = append(conditions, when("sendto", argument(4, seccomp.Equal, 0)))
	}
	group := seccomp.SyscallGroup{Action: seccomp.ActionAllow, Names: known(names, info)}
	for _, c := range conditions {
		if _, ok := info.SyscallNames[c.Name]; ok {
			group.NamesWithCondtions = append(group.NamesWithCondtions, c)
		}
	}
	return seccomp.Policy{
		DefaultAction: seccomp.ActionErrno,
		Syscalls: []seccomp.SyscallGroup{
			group,
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known(absent, info)},
		},
	}
}

func when(name string, conditions ...seccomp.Condition) seccomp.NameWithConditions {
	return seccomp.NameWithConditions{Name: name, Conditions: conditions}
}

func argument(n uint32, op seccomp.Operation, value uint64) seccomp.Condition {
	return seccomp.Condition{Argument: n, Operation: op, Value: value}
}

// known leaves out what the architecture never had.
func known(names []string, info *arch.Info) []string {
	var found []string
	for _, name := range names {
		if _, ok := info.SyscallNames[name]; ok {
			found = append(found, name)
		}
	}
	return found
}
