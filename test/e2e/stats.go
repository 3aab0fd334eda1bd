package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// podStats is what a kubelet reports of a pod.
type podStats struct {
	PodRef struct{ Name, Namespace, UID string }
	CPU    struct {
		Time                 time.Time
		UsageCoreNanoSeconds float64
	}
	Memory struct{ WorkingSetBytes float64 }
}

// podStats returns the kubelets' statistics of all pods in the cluster. They are up to
// 15 s old.
func (c *cluster) podStats(ctx context.Context) ([]podStats, error) {
	var nodes struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	if err := c.get(ctx, "/api/v1/nodes", &nodes); err != nil {
		return nil, err
	}
	var all []podStats
	for _, n := range nodes.Items {
		var summary struct{ Pods []podStats }
		if err := c.get(ctx, "/api/v1/nodes/"+n.Metadata.Name+"/proxy/stats/summary", &summary); err != nil {
			return nil, err
		}
		all = append(all, summary.Pods...)
	}
	return all, nil
}

// daemons returns the process IDs of what hack/cluster started on this machine:
// control plane, kubelet, containerd, registry.
func daemons() []int {
	pidFiles, _ := filepath.Glob("/run/mp3converter-cluster/*.pid")
	var pids []int
	for _, name := range pidFiles {
		content, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(string(content), &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
