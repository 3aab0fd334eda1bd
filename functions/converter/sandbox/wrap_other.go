//go:build unix && !linux

package sandbox

import (
	"os/exec"
	"syscall"
)

// wrap only makes the process group: this is for a developer's own laptop; the
// cluster runs Linux.
func wrap(cmd *exec.Cmd, _ Policy) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if cmd.Cancel != nil { // by the end of a context
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	}
	return nil
}

func describe() string { return "a process group, nothing else" }
