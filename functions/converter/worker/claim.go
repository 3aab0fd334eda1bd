package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
)

// maxClaims is how many jobs one event tries to claim. Other workers may be claiming
// the same ones.
const maxClaims = 50

// claim claims the queued job whose turn it is. Events and jobs need not match: each
// event starts one attempt. If no job can start, claim tries the named one, which may
// be that of a dead worker.
func (w *Worker) claim(ctx context.Context, named string) (*attempt, error) {
	for range maxClaims {
		next, err := w.jobs.Next(ctx, w.jobs.Now())
		switch {
		case errors.Is(err, jobs.ErrNotFound):
			return w.claimJob(ctx, named)
		case err != nil:
			return nil, err
		}
		if a, err := w.claimJob(ctx, next.ID); !jobs.NothingToDo(err) {
			return a, err
		}
	}
	return nil, errors.New("other workers claimed every job first")
}

// claimJob claims one job. It fails a job that has used up its attempts, and returns
// jobs.ErrFinished for it.
func (w *Worker) claimJob(ctx context.Context, jobID string) (*attempt, error) {
	a := &attempt{worker: w, holder: id.New()}
	var err error
	a.job, err = w.jobs.Update(ctx, jobID, func(j *jobs.Job) error {
		return j.Claim(w.config.Policy, a.holder, w.jobs.Now())
	})
	if errors.Is(err, jobs.ErrExhausted) {
		return nil, w.failExhausted(ctx, jobID)
	}
	return a, err
}

// failExhausted fails a job that has used up its attempts.
func (w *Worker) failExhausted(ctx context.Context, jobID string) error {
	j, err := w.jobs.Update(ctx, jobID, func(j *jobs.Job) error {
		return j.FailExhausted(w.config.Policy, w.jobs.Now())
	})
	if err != nil {
		return fmt.Errorf("fail exhausted job: %w", err)
	}
	slog.WarnContext(ctx, "attempts exhausted", "job", jobID, "attempts", j.Attempts, "deaths", j.Deaths)
	w.finish(ctx, j)
	return jobs.ErrFinished
}
