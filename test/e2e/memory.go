package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// podMemory returns the working set of all pods in the cluster, in bytes, as the
// kubelets report it.
func (c *cluster) podMemory(ctx context.Context) (float64, error) {
	var nodes struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	if err := c.get(ctx, "/api/v1/nodes", &nodes); err != nil {
		return 0, err
	}
	var sum float64
	for _, n := range nodes.Items {
		var summary struct {
			Pods []struct {
				Memory struct{ WorkingSetBytes float64 }
			}
		}
		if err := c.get(ctx, "/api/v1/nodes/"+n.Metadata.Name+"/proxy/stats/summary", &summary); err != nil {
			return 0, err
		}
		for _, p := range summary.Pods {
			sum += p.Memory.WorkingSetBytes
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("the kubelets report no memory")
	}
	return sum, nil
}

// daemonMemory returns the memory of the processes that hack/cluster started on
// this machine: control plane, kubelet, containerd, registry. It returns false if there
// are none.
func daemonMemory() (float64, bool) {
	pidFiles, err := filepath.Glob("/run/mp3converter-cluster/*.pid")
	if err != nil || len(pidFiles) == 0 {
		return 0, false
	}
	var sum float64
	for _, pidFile := range pidFiles {
		content, err := os.ReadFile(pidFile)
		if err != nil {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(string(content), &pid); err == nil {
			sum += processMemory(pid)
		}
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
