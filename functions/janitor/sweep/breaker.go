package sweep

import (
	"errors"
	"fmt"
	"math"
	"time"

	"mp3converter/shared/jobs"
)

const (
	// maxWakeFailures is how many wake-ups of one queue may fail in a run. The cause
	// is the broker, not a job.
	maxWakeFailures = 3
	// maxRecordFailures is how many writes of job records may fail before a run ends.
	maxRecordFailures = 3
	// maxFailing is how long all failures of one kind together may take in a run. It
	// is a limit of time, not of number, where the cause may be a single file:
	// such failures are quick, while those of a store that is away end by timeouts.
	maxFailing = 20 * time.Second
)

// errSkipped means that an operation was not tried.
var errSkipped = errors.New("skipped after earlier failures")

// A breaker skips an operation for the rest of a run once it has failed too often or
// its failures have taken too long.
type breaker struct {
	name        string
	maxFailures int
	maxTime     time.Duration

	failures int
	skipped  int
	spent    time.Duration // on failures
	first    error
}

func (s *Janitor) newBreaker(name string, maxFailures int) breaker {
	return breaker{name: name, maxFailures: maxFailures, maxTime: s.maxFailing}
}

const unlimited = math.MaxInt

// do calls op for a job, or returns errSkipped.
func (b *breaker) do(jobID string, op func() error) error {
	if b.open() {
		b.skipped++
		return errSkipped
	}
	start := time.Now()
	err := op()
	if err == nil || jobs.NothingToDo(err) {
		return err
	}
	b.failures++
	b.spent += time.Since(start)
	if b.first == nil {
		b.first = fmt.Errorf("job %s: %w", jobID, err)
	}
	return err
}

func (b *breaker) open() bool { return b.failures >= b.maxFailures || b.spent >= b.maxTime }

func (b *breaker) failed() bool { return b.failures > 0 }

// err returns the first failure and the number of all, or nil.
func (b *breaker) err() error {
	if b.first == nil {
		return nil
	}
	return fmt.Errorf("%s: %d failed, %d skipped, first %w", b.name, b.failures, b.skipped, b.first)
}
