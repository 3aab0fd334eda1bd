package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// cpuMeter adds up the processor time that the cluster takes, by part.
type cpuMeter struct {
	cluster *cluster
	pods    map[string]*podTime // by UID
	daemons float64             // core-seconds when the measurement began
}

// podTime is the processor time of a pod, in core-seconds.
type podTime struct {
	part        string
	first, last float64
}

// The parts. The names are those of the figures.
const (
	partConverters = "converters"
	partMongoDB    = "MongoDB"
	partOtherPods  = "other pods"
	partKubernetes = "Kubernetes"
)

// newCPUMeter begins a measurement. It returns an error where the kubelets' statistics
// cannot be read.
func newCPUMeter(ctx context.Context, c *cluster) (*cpuMeter, error) {
	pods, err := c.podStats(ctx)
	if err != nil {
		return nil, err
	}
	m := &cpuMeter{cluster: c, pods: map[string]*podTime{}, daemons: daemonTime()}
	for _, p := range pods {
		m.pods[p.PodRef.UID] = &podTime{part: partOf(p), first: p.coreSeconds()}
	}
	m.add(pods)
	return m, nil
}

func (p podStats) coreSeconds() float64 { return p.CPU.UsageCoreNanoSeconds / 1e9 }

func partOf(p podStats) string {
	switch {
	case p.PodRef.Namespace != namespace:
	case strings.HasPrefix(p.PodRef.Name, "converter-"):
		return partConverters
	case strings.HasPrefix(p.PodRef.Name, "mongodb-"):
		return partMongoDB
	}
	return partOtherPods
}

// add takes the readings of pods. The counter of a pod that has ended keeps its last one.
func (m *cpuMeter) add(pods []podStats) {
	for _, p := range pods {
		known := m.pods[p.PodRef.UID]
		if known == nil {
			known = &podTime{part: partOf(p)} // it has started since
			m.pods[p.PodRef.UID] = known
		}
		known.last = max(known.last, p.coreSeconds())
	}
}

// watch reads the counters now and then until ctx ends.
func (m *cpuMeter) watch(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if pods, err := m.cluster.podStats(ctx); err == nil {
				m.add(pods)
			}
		}
	}
}

// total waits until all readings are from now or later, and returns the core-seconds of
// each part. watch must have ended.
func (m *cpuMeter) total(ctx context.Context) (map[string]float64, error) {
	now, total := time.Now(), map[string]float64{}
	if used := daemonTime() - m.daemons; used > 0 {
		total[partKubernetes] = used
	}
	err := poll(ctx, time.Second, func() (bool, error) {
		pods, err := m.cluster.podStats(ctx)
		if err != nil {
			return false, err
		}
		m.add(pods)
		for _, p := range pods {
			// A pod that has just started has no reading.
			if !p.CPU.Time.IsZero() && p.CPU.Time.Before(now) {
				return false, fmt.Errorf("the reading of %s is old", p.PodRef.Name)
			}
		}
		return true, nil
	})
	for _, p := range m.pods {
		total[p.part] += p.last - p.first
	}
	return total, err
}

// daemonTime returns the core-seconds of hack/cluster's processes on this machine, with
// those of their children that have ended.
func daemonTime() float64 {
	const ticks = 100 // a second, on every Linux
	var sum float64
	for _, pid := range daemons() {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		// The name, in parentheses, may contain anything. The times follow as fields 11 to 14
		// after it.
		fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
		if len(fields) < 15 {
			continue
		}
		for _, field := range fields[11:15] {
			time, _ := strconv.ParseFloat(field, 64)
			sum += time / ticks
		}
	}
	return sum
}
