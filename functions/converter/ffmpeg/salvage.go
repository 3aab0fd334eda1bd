package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"mp3converter/shared/conversion"
)

// salvageArgs returns the arguments, placed before the input, that make ffmpeg go on
// however many packets cannot be decoded.
func (p *plan) salvageArgs() []string {
	if !p.options.Salvage {
		return nil
	}
	return []string{"-max_error_rate", "1"}
}

// clockFilter returns a filter, followed by a comma, that times the sound by its samples:
// the timestamps of a damaged file or of one whose header lies may have gaps of hours, and
// -t would end the sound there.
func (p *plan) clockFilter() string {
	switch {
	case p.counted:
		return fmt.Sprintf("asetpts=N/SR/TB,atrim=start=%.3f,asetpts=PTS-STARTPTS,", p.options.Start)
	case p.retimed:
		return "asetpts=N/SR/TB,"
	}
	return ""
}

// filterArgs returns the arguments that apply the filters, or nil if there are none: sound
// that is copied is not filtered.
func (p *plan) filterArgs(loudness string) []string {
	if p.copied || loudness == "" && !p.retimed {
		return nil
	}
	if loudness == "" {
		loudness = "anull"
	}
	return []string{"-af", p.clockFilter() + loudness}
}

// complaints notes whether a program wrote to stderr. At the log level "error", ffmpeg
// writes nothing about a video without damage.
type complaints struct{ any atomic.Bool }

func (c *complaints) Write(p []byte) (int, error) {
	if len(p) > 0 {
		c.any.Store(true)
	}
	return len(p), nil
}

// newComplaints replaces the complaints of an earlier program.
func (r *conversionRun) newComplaints() *complaints {
	r.complaints = &complaints{}
	return r.complaints
}

// explainCorrupt returns the error of a conversion that failed because the file seems to be
// corrupt, with the message that helps the user.
func (r *conversionRun) explainCorrupt(ctx context.Context, err error) error {
	var failure *conversion.Failure
	if !errors.As(err, &failure) || failure != conversion.Corrupt {
		return err
	}
	if r.mediaInfo == nil {
		if lost, scanErr := r.indexLost(ctx); scanErr == nil && lost {
			return fmt.Errorf("%w: %w", conversion.IndexLost, err)
		}
	}
	if r.options.Start > 0 && r.plan != nil {
		err = r.explainEmpty(ctx, err)
	}
	if r.options.Salvage && errors.Is(err, conversion.Corrupt) {
		return fmt.Errorf("%w: %w", conversion.NothingSalvaged, err)
	}
	return err
}

// explainEmpty returns the error if there is no sound after the start that was asked for.
func (r *conversionRun) explainEmpty(ctx context.Context, err error) error {
	found, scanErr := r.structure(ctx)
	switch start := r.options.Start; {
	case scanErr != nil:
		return scanErr
	case found.cut && start < found.announced(r.plan).Seconds():
		return fmt.Errorf("%w: the start is not in the file: %v", conversion.Corrupt, err) //nolint:errorlint // err would have it retried
	case r.mediaInfo.Duration > 0 && start >= r.mediaInfo.Duration.Seconds(),
		errors.Is(err, ErrBadOutput) && !r.complaints.any.Load():
		return fmt.Errorf("%w: %v", conversion.OutOfRange, err) //nolint:errorlint // as above
	}
	return err
}
