package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// memory is the working set of all pods in the cluster, as the kubelets see it.
func (c *cluster) memory(ctx context.Context) (float64, error) {
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
		return 0, fmt.Errorf("the kubelets tell nothing of memory")
	}
	return sum, nil
}

// daemons is the memory of the processes that hack/cluster started on this
// machine: control plane, kubelet, containerd, registry. It is false elsewhere.
func daemons() (float64, bool) {
	notes, err := filepath.Glob("/run/mp3converter-cluster/*.pid")
	if err != nil || len(notes) == 0 {
		return 0, false
	}
	var sum float64
	for _, note := range notes {
		content, err := os.ReadFile(note)
		if err != nil {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(string(content), &pid); err == nil {
			sum += resident(pid)
		}
	}
	return sum, sum > 0
}

// resident is a process's share of the memory.
func resident(pid int) float64 {
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
