//go:build unix && !linux

package sandbox

import (
	"os/exec"
	"runtime"
)

// wrap only sets the process group. Other systems than Linux are for development.
func wrap(cmd *exec.Cmd, _ Policy) error {
	setProcessGroup(cmd)
	return nil
}

func describe() string { return "process group only" }

func missing() []string { return []string{"any layer: there are none on " + runtime.GOOS} }

func protectProcess() error { return nil }
