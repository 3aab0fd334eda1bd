package main

import "time"

// cost is the lowest wall time and processor time of several runs.
type cost struct{ wall, cpu time.Duration }

// compare runs a reference and the service alternately, three times, so that
// other work on the machine affects both. The time of prepare is not counted. cpuTime
// returns the processor time of the service so far.
func compare(cpuTime func() (time.Duration, error), reference, prepare, measured func() error) (service, alone cost, err error) {
	for range 3 {
		start, cpu := time.Now(), childrenCPUTime()
		if err := reference(); err != nil {
			return service, alone, err
		}
		alone = cost{lower(alone.wall, time.Since(start)), lower(alone.cpu, childrenCPUTime()-cpu)}

		if err := prepare(); err != nil {
			return service, alone, err
		}
		start = time.Now()
		before, err := cpuTime()
		if err != nil {
			return service, alone, err
		}
		if err := measured(); err != nil {
			return service, alone, err
		}
		after, err := cpuTime()
		if err != nil {
			return service, alone, err
		}
		service = cost{lower(service.wall, time.Since(start)), lower(service.cpu, after-before)}
	}
	return service, alone, nil
}

func doNothing() error { return nil }

// lower returns the lower of two durations, or d if old is not set (zero).
func lower(old, d time.Duration) time.Duration {
	if old == 0 || d < old {
		return d
	}
	return old
}
