package idempotency

import (
	"context"
	"errors"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// RetryAfter is how long a client should wait while another request has the key.
const RetryAfter = 5 * time.Second

// maxCreates is how often Create tries again because the other job has been deleted.
const maxCreates = 3

// Pending reports whether a job is of one request that is still sending the file: what it
// contains is not known, and no other request can continue the upload.
func Pending(j jobs.Job) bool {
	return j.State == jobs.Uploading && j.IdempotencyKey != "" && j.BodyDigest == ""
}

// Create stores a job whose request is complete: its file follows in other requests, and
// its BodyDigest is set. If the owner's job with the same key is of an equal request, Create
// returns that job, and replayed is true. The error is a problem.
func Create(ctx context.Context, store jobs.Store, j jobs.Job) (stored jobs.Job, replayed bool, err error) {
	for range maxCreates {
		switch err := store.Create(ctx, j); {
		case err == nil:
			return j, false, nil
		case j.IdempotencyKey == "" || !errors.Is(err, jobs.ErrExists):
			return jobs.Job{}, false, problem.Unavailable.WithCause(err)
		}
		other, err := store.ByKey(ctx, j.Owner, j.IdempotencyKey)
		switch {
		case errors.Is(err, jobs.ErrNotFound): // deleted meanwhile
		case err != nil:
			return jobs.Job{}, false, problem.Unavailable.WithCause(err)
		case Pending(other):
			return jobs.Job{}, false, problem.IdempotencyKeyInUse.WithRetryAfter(RetryAfter)
		case other.BodyDigest != j.BodyDigest:
			return jobs.Job{}, false, problem.IdempotencyKeyReused
		default:
			return other, true, nil
		}
	}
	return jobs.Job{}, false, problem.IdempotencyKeyInUse.WithRetryAfter(RetryAfter)
}
