// Package sandbox starts a program that reads a file made by a stranger, so
// that the worst file can do no more than fail: it cannot read other files,
// reach the network, start programs, take more memory, time or disk than its
// limits, or outlive the process that started it.
//
// Most of this has to be done by the program itself between fork and exec,
// which Go does not allow. So this process starts itself a second time, and
// the copy, before any other package is initialised, gives up its rights and
// becomes the program. Whatever links this package has that built in; nothing
// has to be called.
//
// It is not a container: it needs no privileges, no namespaces and no helper
// on the disk, and works as any user inside one.
package sandbox

import (
	"os/exec"
	"time"
)

// Policy is what a program may do.
type Policy struct {
	// Dir is the one directory that the program may read and write.
	Dir string
	// Port is the TCP port that it may connect to over IPv4; 0 is none, and
	// then there are no sockets either.
	Port uint16

	// Memory is bytes of address space, CPU processor time and Output bytes of
	// one file; 0 is no limit.
	Memory uint64
	CPU    time.Duration
	Output uint64
}

// Failed is the exit code of a program that never ran, because its sandbox
// could not be set up.
const Failed = 125

// Wrap makes cmd, which is otherwise complete, start in a sandbox and in a
// process group of its own that is killed as one. Beyond what p says the
// program may read its own file, the system's libraries and the regular files
// among cmd.ExtraFiles.
func Wrap(cmd *exec.Cmd, p Policy) error { return wrap(cmd, p) }

// Describe names the layers that this machine has, for the log.
func Describe() string { return describe() }
