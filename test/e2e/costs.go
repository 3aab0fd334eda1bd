package main

import (
	"context"
	"errors"
)

// costs measures what the videos of a burst cost: processor time, and bytes read from
// GridFS. Some clusters do not let it read them.
type costs struct {
	err   error // why nothing is measured
	meter *cpuMeter
	stop  func()
	read  map[string]float64 // bytes, before the burst
}

// measureCosts begins a measurement. The caller must call record.
func (s *suite) measureCosts(ctx context.Context) *costs {
	var c costs
	if c.meter, c.err = newCPUMeter(ctx, s.cluster); c.err != nil {
		return &c
	}
	c.read, _ = s.cluster.readBytes(ctx) // pods of an earlier burst may be terminating
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.meter.watch(ctx)
	}()
	c.stop = func() { cancel(); <-ended }
	return &c
}

// record ends the measurement and records the figures for n videos of the given size. The
// converters must not have been removed yet.
func (c *costs) record(ctx context.Context, s *suite, size int64, n int) error {
	if c.err != nil {
		return c.err
	}
	c.stop()
	read, readErr := s.cluster.readBytes(ctx)
	var sum float64
	for pod, bytes := range read {
		sum += bytes - c.read[pod]
	}
	if sum > 0 {
		s.recordFigure("burst: bytes read from GridFS ÷ bytes of the videos", sum/float64(n)/float64(size))
	}
	seconds, cpuErr := c.meter.total(ctx)
	for _, part := range []string{partConverters, partMongoDB, partOtherPods, partKubernetes} {
		if total, ok := seconds[part]; ok && cpuErr == nil {
			s.recordFigure("burst: "+part+", core-seconds per video", total/float64(n))
		}
	}
	return errors.Join(cpuErr, readErr)
}
