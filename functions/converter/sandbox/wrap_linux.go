package sandbox

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"syscall"
)

// self is this program, also when its file has been replaced meanwhile.
const self = "/proc/self/exe"

// marker is the name under which the copy knows that it is one.
const marker = "mp3converter-sandbox"

// order is what the copy is told.
type order struct {
	Policy
	Program string
	Files   int // descriptors from 3 up
}

func wrap(cmd *exec.Cmd, p Policy) error {
	told, err := json.Marshal(order{p, cmd.Path, len(cmd.ExtraFiles)})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	cmd.Args = append([]string{marker, string(told)}, cmd.Args...)
	cmd.Path = self
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if cmd.Cancel != nil { // by the end of a context
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	}
	return nil
}
