package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// programFD is the descriptor of the program to execute. The seccomp filter allows
// execution of this descriptor only. It is above maxFiles, so the program itself can never
// open a file with this number.
const programFD = 200

// maxFiles is the limit on open files.
const maxFiles = 64

// init executes the program if this process is a child that Wrap started. In init this
// runs on the main thread, as Landlock, seccomp and the parent death signal require,
// and before most other packages are initialised.
func init() {
	if len(os.Args) < 3 || os.Args[0] != childArg0 {
		return
	}
	os.Stderr.WriteString("sandbox: " + execSandboxed(os.Args[1], os.Args[2:]).Error() + "\n")
	os.Exit(Failed)
}

// execSandboxed restricts this process and executes the program. It returns only if
// that fails.
func execSandboxed(specJSON string, args []string) error {
	var spec execSpec
	if err := json.Unmarshal([]byte(specJSON), &spec); err != nil {
		return err
	}
	if missing := missing(); spec.Required && len(missing) > 0 {
		return fmt.Errorf("this machine has no %s", strings.Join(missing, " and no "))
	}
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err
	}
	envv, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	fd, err := unix.Open(spec.Program, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", spec.Program, err)
	}
	if err := unix.Dup3(fd, programFD, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("keep %s open: %w", spec.Program, err)
	}
	// If memory runs out, the kernel is to kill this process first. It always may raise its
	// own score, but not if /proc is mounted in a special way.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	for _, restrict := range []func(execSpec) error{restrictFilesystem, dropPrivileges, installSeccompFilter, setLimits} {
		if err := restrict(spec); err != nil {
			return err
		}
	}
	return execProgram(argv, envv)
}

// dropPrivileges drops all capabilities, which the service has only if it runs as root,
// and sets no_new_privs, so that executing the program does not restore them.
func dropPrivileges(execSpec) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// setLimits must come last: under the memory limit, this process may be unable to
// allocate.
func setLimits(spec execSpec) error {
	limits := []struct {
		resource    int
		soft, grace uint64
	}{
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_NOFILE, maxFiles, 0},
		// SIGXCPU at the soft limit shows the reason; SIGKILL follows a second later.
		{unix.RLIMIT_CPU, uint64(spec.CPU.Seconds()), 1},
		{unix.RLIMIT_FSIZE, spec.Output, 0},
		// Private memory is what counts against a container's limit. The address space
		// also has libraries and reservations, which take no memory. It is limited because
		// memory that was made read-only is not counted as private.
		{unix.RLIMIT_DATA, spec.Memory, 0},
		{unix.RLIMIT_AS, addressSpace(spec.Memory), 0},
	}
	for _, l := range limits {
		if l.soft == 0 && l.resource != unix.RLIMIT_CORE {
			continue
		}
		if err := lowerLimit(l.resource, l.soft, l.soft+l.grace); err != nil {
			return fmt.Errorf("limit %d: %w", l.resource, err)
		}
	}
	return nil
}

// addressSpace returns the limit on the address space of a program with that much private
// memory. ffmpeg and its libraries take about 230 MiB in addition.
func addressSpace(memory uint64) uint64 {
	if memory == 0 {
		return 0
	}
	return memory + 512<<20
}

// lowerLimit sets a limit unless it is already lower.
func lowerLimit(resource int, soft, hard uint64) error {
	var current unix.Rlimit
	if err := unix.Prlimit(0, resource, nil, &current); err != nil {
		return err
	}
	hard = min(hard, current.Max)
	return unix.Prlimit(0, resource, &unix.Rlimit{Cur: min(soft, hard), Max: hard}, nil)
}

// execProgram executes programFD with execveat, because syscall.Exec takes a path.
func execProgram(argv, envv []*byte) error {
	empty := [1]byte{}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EXECVEAT, programFD, uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	if errno == unix.ENOENT {
		return errors.New("execute: not an executable for this machine, or its dynamic loader is missing")
	}
	return fmt.Errorf("execute: %w", errno)
}
