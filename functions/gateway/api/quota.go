package api

import (
	"context"
	"errors"
	"fmt"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// Quota limits what the jobs of one user occupy. It is checked before an upload and
// after it; uploads that end at the same moment may exceed it by their number. A resumable
// upload occupies its announced size, and the quota is checked before its record is created
// and after that; of those created at the same moment each one counts the others.
type Quota struct {
	Jobs  int   `envconfig:"QUOTA_JOBS" default:"2000"`         // unfinished
	Bytes int64 `envconfig:"QUOTA_BYTES" default:"53687091200"` // videos of unfinished jobs, and MP3s
}

// Validate returns an error that names the invalid variable.
func (q Quota) Validate() error {
	switch {
	case q.Jobs < 1:
		return errors.New("QUOTA_JOBS must be positive")
	case q.Bytes < 1:
		return errors.New("QUOTA_BYTES must be positive")
	}
	return nil
}

// checkQuota returns an error if a user may not have one more job with a video of
// this size.
func (g *Gateway) checkQuota(ctx context.Context, user string, size int64) error {
	return g.checkQuotaOf(ctx, jobs.Job{Owner: user}, size)
}

// checkQuotaOf is checkQuota for a job that is stored already if it is Uploading.
func (g *Gateway) checkQuotaOf(ctx context.Context, j jobs.Job, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	used, err := g.Jobs.Usage(ctx, j.Owner)
	if j.State == jobs.Uploading {
		used.Unfinished--
		used.Bytes -= j.Video.Size
	}
	q := g.config.Quota
	switch {
	case err != nil:
		return problem.Unavailable.WithCause(err)
	case used.Unfinished >= q.Jobs:
		return problem.TooManyJobs.WithDetail("The quota is %d jobs that are not finished.", q.Jobs)
	case used.Bytes+size > q.Bytes:
		return problem.QuotaExceeded.WithDetail("The quota is %d bytes, of which %d are in use.", q.Bytes, used.Bytes)
	}
	return nil
}

// checkSpace returns an error if a video of this size would leave less than MinFree on
// the disk of the store. MP3s, records and deletions need what is left. A store that
// cannot tell is not limited.
func (g *Gateway) checkSpace(ctx context.Context, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	free, err := g.Videos.Free(ctx)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return problem.Unavailable.WithCause(err)
	case free-size < g.config.MinFree:
		return problem.NoSpace.WithCause(fmt.Errorf("%d bytes are free, and MIN_FREE_BYTES is %d", free, g.config.MinFree))
	}
	return nil
}
