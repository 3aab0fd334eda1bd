package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runCommand runs a program to completion.
func runCommand(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// peakRSS returns the process's peak memory since the last call, in MB.
func (s *service) peakRSS() (float64, error) {
	proc := fmt.Sprintf("/proc/%d/", s.cmd.Process.Pid)
	f, err := os.Open(proc + "status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if kB, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(kB)[0], 64)
			return n / 1000, errors.Join(err, os.WriteFile(proc+"clear_refs", []byte("5"), 0))
		}
	}
	return 0, errors.New("no VmHWM in /proc/PID/status")
}

// cpuTime returns the processor time of the service and of its children that have
// exited. Unlike wall time it hardly depends on the load of the machine.
func (s *service) cpuTime() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The process name may contain spaces, so fields are counted after it.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// childrenCPUTime returns the processor time of this process's children that have exited.
func childrenCPUTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
