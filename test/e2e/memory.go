package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
)

// podMemory returns the working set of all pods in the cluster, in bytes, as the
// kubelets report it.
func (c *cluster) podMemory(ctx context.Context) (float64, error) {
	pods, err := c.podStats(ctx)
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, p := range pods {
		sum += p.Memory.WorkingSetBytes
	}
	if sum == 0 {
		return 0, fmt.Errorf("the kubelets report no memory")
	}
	return sum, nil
}

// daemonMemory returns the memory of the processes that hack/cluster started on
// this machine. It returns false if there are none.
func daemonMemory() (float64, bool) {
	var sum float64
	for _, pid := range daemons() {
		sum += processMemory(pid)
	}
	return sum, sum > 0
}

// processMemory returns the proportional set size of a process, in bytes.
func processMemory(pid int) float64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			var kib float64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				return kib * 1024
			}
		}
	}
	return 0
}
