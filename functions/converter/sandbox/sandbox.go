// Package sandbox runs a program that reads an untrusted file. Even if the file
// exploits a bug and controls the program, it cannot read other files, reach the network, start
// programs, use more memory, time or disk than its limits, or outlive the process that
// started it.
//
// Most restrictions must be applied in the child between fork and exec, where Go
// cannot run code. So Wrap starts this executable again; an init function in the child
// restricts itself and then executes the program. Every binary that imports this
// package has that init function; there is nothing to call.
//
// It is not a container. It needs no privileges, namespaces or helper program, and
// works for any user, inside a container too.
package sandbox

import (
	"os/exec"
	"syscall"
	"time"
)

// Policy defines what a program may do.
type Policy struct {
	// Dir is the one directory that the program may read and write.
	Dir string
	// Port is the TCP port that it may connect to over IPv4. If it is 0, the
	// program cannot open sockets at all.
	Port uint16

	// Memory limits the private memory in bytes, CPU the processor time, and Output
	// the size of a file in bytes; 0 means no limit.
	Memory uint64
	CPU    time.Duration
	Output uint64

	// Required makes the start fail if the kernel lacks a layer of the sandbox: see
	// Missing.
	Required bool
}

// Failed is the exit code if the sandbox could not be set up, so that the program
// was not started.
const Failed = 125

// Wrap changes cmd, which must otherwise be complete, to start in a sandbox and in its
// own process group. When cmd's context ends, the whole group is killed. In addition
// to what p allows, the program may read its own file, the system's libraries and the
// regular files among cmd.ExtraFiles. It gets the variables in cmd.Env; without any, it
// gets none, not those of this process.
func Wrap(cmd *exec.Cmd, p Policy) error {
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	return wrap(cmd, p)
}

// Missing lists the layers of the sandbox that this machine does not support. Programs
// run without them unless Policy.Required is set.
func Missing() []string { return missing() }

// ProtectProcess denies other processes of the same user access to the memory and the
// environment of this process, which hold the credentials of the stores. Of the layers
// of the sandbox, Landlock does so too. Debuggers can no longer attach, and a crash
// leaves no core dump.
func ProtectProcess() error { return protectProcess() }

// Describe lists the restrictions that this machine supports, for the log.
func Describe() string { return describe() }

// setProcessGroup starts cmd in its own process group, and kills the group when cmd's
// context ends.
func setProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if cmd.Cancel != nil { // cmd has a context
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	}
}
