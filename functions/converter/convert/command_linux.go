package convert

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolate puts the program into a process group that is killed as one, and
// that does not outlive this process.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// limit sets the program's resource limits. It runs already, but has not come
// to the file yet.
func limit(pid int, c *command) error {
	limits := map[int]uint64{
		unix.RLIMIT_AS:     c.memory,
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_NOFILE: 64,
		unix.RLIMIT_CPU:    uint64(c.time.Seconds())*2 + 1,
	}
	if c.output > 0 {
		limits[unix.RLIMIT_FSIZE] = c.output
	}
	for resource, value := range limits {
		err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: value, Max: value}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) { // gone already: Wait tells why
			return err
		}
	}
	return nil
}
