//go:build unix && !linux

package convert

import (
	"os/exec"
	"syscall"
)

// isolate puts the program into a process group that is killed as one.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// limit does nothing: only Linux can limit another process. This is for a
// developer's own laptop; the cluster runs Linux.
func limit(int, *command) error { return nil }
