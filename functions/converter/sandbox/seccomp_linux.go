package sandbox

import (
	"errors"
	"os"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// The filter is an allow-list. It also rejects system calls that future kernels add,
// and those of other architectures, such as 32-bit calls on a 64-bit kernel.

// allowedSyscalls are those that decoders and encoders need: memory, threads, time,
// and files, to which Landlock limits access. Names that an architecture does not have
// are left out.
var allowedSyscalls = []string{
	"access", "arch_prctl", "brk", "capget", "clock_getres", "clock_gettime", "clock_nanosleep", "close", "close_range",
	"dup", "dup2", "dup3", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "exit", "exit_group",
	"faccessat", "faccessat2", "fadvise64", "fallocate", "fcntl", "fdatasync", "flock", "fstat", "fstatat", "fstatfs", "fsync", "ftruncate",
	"futex", "get_robust_list", "getcwd", "getdents64", "getegid", "geteuid", "getgid", "getpgrp", "getpid", "getppid",
	"getpriority", "getrandom", "getrusage", "getrlimit", "gettid", "gettimeofday", "getuid", "lseek", "lstat", "madvise",
	"membarrier", "mincore", "mkdir", "mkdirat", "mlock", "mprotect", "mremap", "munlock", "munmap", "nanosleep", "newfstatat",
	"open", "openat", "pipe", "pipe2", "poll", "ppoll", "pread64", "preadv", "pselect6", "pwrite64", "pwritev", "read", "readlink", "readlinkat",
	"readv", "rename", "renameat", "renameat2", "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
	"rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "sched_get_priority_max", "sched_get_priority_min",
	"sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_setaffinity", "sched_yield", "select",
	"set_robust_list", "set_tid_address", "sigaltstack", "stat", "statfs", "statx", "sysinfo", "time", "times", "umask",
	"uname", "unlink", "unlinkat", "write", "writev",
}

// networkSyscalls are allowed in addition if the program may connect to a port.
var networkSyscalls = []string{"connect", "getpeername", "getsockname", "getsockopt", "recvfrom", "setsockopt", "shutdown"}

// unimplementedSyscalls fail with ENOSYS, as on an older kernel. The C library then
// falls back to clone and openat, whose arguments a filter can check.
var unimplementedSyscalls = []string{"clone3", "openat2"}

// installSeccompFilter makes the kernel reject all system calls that the program does
// not need.
func installSeccompFilter(spec execSpec) error {
	if !seccompSupported() {
		return nil
	}
	info, err := arch.GetInfo("")
	if err != nil {
		return nil //nolint:nilerr // an architecture that the library does not support
	}
	err = seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Policy: seccompPolicy(spec.Port != 0, uint64(os.Getpid()), info)})
	if errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

func seccompSupported() bool {
	_, err := arch.GetInfo("")
	return err == nil && seccomp.Supported()
}

// seccompPolicy returns the filter of a process with that pid.
func seccompPolicy(network bool, pid uint64, info *arch.Info) seccomp.Policy {
	names := allowedSyscalls
	conditions := []seccomp.NameWithConditions{
		// Only to create threads, not processes.
		allowIf("clone", arg(0, seccomp.BitsSet, unix.CLONE_THREAD)),
		// Only to execute the program, once.
		allowIf("execveat", arg(0, seccomp.Equal, programFD), arg(4, seccomp.Equal, unix.AT_EMPTY_PATH)),
		// Only signals to itself, as sent by abort.
		allowIf("kill", arg(0, seccomp.Equal, pid)),
		allowIf("tgkill", arg(0, seccomp.Equal, pid)),
		// No memory that is shared or grows like a stack, which the limit on private memory
		// does not count.
		allowIf("mmap", arg(3, seccomp.BitsNotSet, unix.MAP_SHARED|unix.MAP_GROWSDOWN)),
		allowIf("mmap", arg(3, seccomp.BitsNotSet, unix.MAP_ANONYMOUS|unix.MAP_GROWSDOWN)),
		// Resource limits of the calling process only. setLimits has set the hard
		// limits, which an unprivileged process cannot raise.
		allowIf("prlimit64", arg(0, seccomp.Equal, 0)),
		allowIf("prctl", arg(0, seccomp.Equal, unix.PR_SET_NAME)),
		allowIf("prctl", arg(0, seccomp.Equal, unix.PR_GET_NAME)),
		allowIf("prctl", arg(0, seccomp.Equal, unix.PR_SET_VMA)),
		allowIf("ioctl", arg(1, seccomp.Equal, unix.TCGETS)),
		allowIf("ioctl", arg(1, seccomp.Equal, unix.TIOCGWINSZ)),
	}
	if network {
		names = slices.Concat(networkSyscalls, allowedSyscalls)
		for _, flags := range []uint64{0, unix.SOCK_CLOEXEC, unix.SOCK_NONBLOCK, unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK} {
			conditions = append(conditions, allowIf("socket",
				arg(0, seccomp.Equal, unix.AF_INET), arg(1, seccomp.Equal, unix.SOCK_STREAM|flags)))
		}
		// Only on a connected socket: with an address (TCP Fast Open), sendto would
		// connect without Landlock's check.
		conditions = append(conditions, allowIf("sendto", arg(4, seccomp.Equal, 0)))
	}
	group := seccomp.SyscallGroup{Action: seccomp.ActionAllow, Names: existing(names, info)}
	for _, c := range conditions {
		if _, ok := info.SyscallNames[c.Name]; ok {
			group.NamesWithCondtions = append(group.NamesWithCondtions, c)
		}
	}
	return seccomp.Policy{
		DefaultAction: seccomp.ActionErrno,
		Syscalls: []seccomp.SyscallGroup{
			group,
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: existing(unimplementedSyscalls, info)},
		},
	}
}

// allowIf allows a system call if its arguments meet all conditions.
func allowIf(name string, conditions ...seccomp.Condition) seccomp.NameWithConditions {
	return seccomp.NameWithConditions{Name: name, Conditions: conditions}
}

func arg(n uint32, op seccomp.Operation, value uint64) seccomp.Condition {
	return seccomp.Condition{Argument: n, Operation: op, Value: value}
}

// existing returns the system calls that the architecture has.
func existing(names []string, info *arch.Info) []string {
	var found []string
	for _, name := range names {
		if _, ok := info.SyscallNames[name]; ok {
			found = append(found, name)
		}
	}
	return found
}
