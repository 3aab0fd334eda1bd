package worker

import (
	"fmt"
	"io"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/shared/conversion"
)

// verify holds an MP3 to the plan: a length header, and as long as it should
// be.
func (p *plan) verify(f io.ReadSeeker, maximum time.Duration) error {
	info, err := mp3.Inspect(f)
	switch {
	case err != nil:
		return fmt.Errorf("%w: MP3: %w", conversion.Corrupt, err)
	case !info.HasTag || info.Samples() == 0:
		return fmt.Errorf("%w: MP3 without length", conversion.Corrupt)
	case info.Duration() > maximum:
		return conversion.TooLong
	case p.expected > 0 && info.Duration() < p.expected-tolerance(p.expected):
		return fmt.Errorf("%w: MP3 of %v, want %v", conversion.Corrupt, info.Duration(), p.expected)
	}
	return nil
}

// tolerance is how much shorter than announced a sound track may be: tracks are
// cut at the edges of packets, and containers round.
func tolerance(d time.Duration) time.Duration {
	return max(200*time.Millisecond, d/200)
}
