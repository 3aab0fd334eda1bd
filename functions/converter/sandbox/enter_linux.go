package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// programFD is the descriptor that the copy executes. It is above the limit on
// descriptors that is set afterwards, so that the filter can allow to execute
// this number: nothing will ever have it again.
const programFD = 200

// maxFiles is the number of descriptors that the program may have.
const maxFiles = 64

// init turns a copy into the program it stands for. It runs on the main
// thread, to which Landlock, seccomp and the parent's death signal apply, and
// before the packages that it would not need.
func init() {
	if len(os.Args) < 3 || os.Args[0] != marker {
		return
	}
	os.Stderr.WriteString("sandbox: " + enter(os.Args[1], os.Args[2:]).Error() + "\n")
	os.Exit(Failed)
}

// enter returns only if it fails.
func enter(told string, args []string) error {
	var o order
	if err := json.Unmarshal([]byte(told), &o); err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err
	}
	envv, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	fd, err := unix.Open(o.Program, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", o.Program, err)
	}
	if err := unix.Dup3(fd, programFD, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("keep %s open: %w", o.Program, err)
	}
	for _, layer := range []func(order) error{confine, dropCapabilities, filter, limit} {
		if err := layer(o); err != nil {
			return err
		}
	}
	return become(argv, envv)
}

// dropCapabilities matters to a laptop's root user only. With no_new_privs,
// which is set already, executing the program does not bring them back.
func dropCapabilities(order) error {
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

// limit comes last: under the limit on memory this process may not get any
// more itself.
func limit(o order) error {
	limits := []struct {
		resource  int
		soft, add uint64
	}{
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_NOFILE, maxFiles, 0},
		// First a signal that says why, then the one that cannot be ignored.
		{unix.RLIMIT_CPU, uint64(o.CPU.Seconds()), 1},
		{unix.RLIMIT_FSIZE, o.Output, 0},
		{unix.RLIMIT_AS, o.Memory, 0},
	}
	for _, l := range limits {
		if l.soft == 0 && l.resource != unix.RLIMIT_CORE {
			continue
		}
		if err := lower(l.resource, l.soft, l.soft+l.add); err != nil {
			return fmt.Errorf("limit %d: %w", l.resource, err)
		}
	}
	return nil
}

// lower sets a limit, or leaves it where it is lower already.
func lower(resource int, soft, hard uint64) error {
	var now unix.Rlimit
	if err := unix.Prlimit(0, resource, nil, &now); err != nil {
		return err
	}
	hard = min(hard, now.Max)
	return unix.Prlimit(0, resource, &unix.Rlimit{Cur: min(soft, hard), Max: hard}, nil)
}

// become executes the program. It is not syscall.Exec because that cannot
// execute a descriptor.
func become(argv, envv []*byte) error {
	empty := [1]byte{}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EXECVEAT, programFD, uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	if errno == unix.ENOENT {
		return errors.New("execute: not a program of this machine, or its loader is missing")
	}
	return fmt.Errorf("execute: %w", errno)
}
