package sandbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The libraries for Landlock bind all threads of a process, for which each of
// them has to be woken. Here one thread becomes the program and the others end
// with that, so it is enough, and much less work, to bind this one.

// rights are what Landlock can take away, each a set of bits.
type rights struct{ files, network, scope uint64 }

// handled lists the rights that each version brought. A right that a kernel
// does not know cannot be taken away there.
var handled = []struct {
	since int
	rights
}{
	{1, rights{files: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1}}, // the last of the first thirteen
	{2, rights{files: unix.LANDLOCK_ACCESS_FS_REFER}},
	{3, rights{files: unix.LANDLOCK_ACCESS_FS_TRUNCATE}},
	{4, rights{network: unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP}},
	{5, rights{files: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}},
	{6, rights{scope: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL}},
	{9, rights{files: unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX}},
	{10, rights{network: unix.LANDLOCK_ACCESS_NET_BIND_UDP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP}},
}

// landlockVersion is 0 where there is no Landlock.
func landlockVersion() int {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// rightsOf are all that a version knows.
func rightsOf(version int) (all rights) {
	for _, h := range handled {
		if version >= h.since {
			all.files |= h.files
			all.network |= h.network
			all.scope |= h.scope
		}
	}
	return all
}

// netPort is LANDLOCK_RULE_NET_PORT.
const netPort = 2

// ruleset is what remains allowed of the rights that are taken away.
type ruleset struct {
	fd int
	rights
}

func newRuleset(taken rights) (ruleset, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: taken.files, Handled_access_net: taken.network, Scoped: taken.scope}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return ruleset{}, fmt.Errorf("create ruleset: %w", errno)
	}
	return ruleset{int(fd), taken}, nil
}

// allow gives rights to a file, or to a directory and all beneath it.
func (r ruleset) allow(files uint64, path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	attr := unix.LandlockPathBeneathAttr{Allowed_access: files & r.files, Parent_fd: int32(fd)}
	if err := r.add(unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&attr)); err != nil {
		return fmt.Errorf("allow %s: %w", path, err)
	}
	return nil
}

// allowIfThere is allow for what not every machine has.
func (r ruleset) allowIfThere(files uint64, paths ...string) error {
	for _, path := range paths {
		if err := r.allow(files, path); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// allowConnect lets connections to a TCP port through.
func (r ruleset) allowConnect(port uint16) error {
	if r.network == 0 {
		return nil
	}
	attr := struct{ access, port uint64 }{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(port)}
	if err := r.add(netPort, unsafe.Pointer(&attr)); err != nil {
		return fmt.Errorf("allow port %d: %w", port, err)
	}
	return nil
}

func (r ruleset) add(kind uintptr, attr unsafe.Pointer) error {
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), kind, uintptr(attr), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// enforce binds this thread and what it becomes. It takes no_new_privs.
func (r ruleset) enforce() error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); errno != 0 {
		return fmt.Errorf("enforce: %w", errno)
	}
	return nil
}

func (r ruleset) close() { unix.Close(r.fd) }
