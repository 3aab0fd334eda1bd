package sandbox

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// selfExe is this executable, even if its file has been replaced since the start.
const selfExe = "/proc/self/exe"

// childArg0 is argv[0] of the child, by which this executable detects that it is one.
const childArg0 = "mp3converter-sandbox"

// execSpec tells the child what to execute, and with which restrictions. It is passed
// as a JSON argument.
type execSpec struct {
	Policy
	Program    string
	ExtraFiles int // descriptors 3 and up
}

func wrap(cmd *exec.Cmd, p Policy) error {
	spec, err := json.Marshal(execSpec{p, cmd.Path, len(cmd.ExtraFiles)})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	cmd.Args = append([]string{childArg0, string(spec)}, cmd.Args...)
	cmd.Path = selfExe
	setProcessGroup(cmd)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return nil
}

func protectProcess() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("protect this process: %w", err)
	}
	return nil
}
