package resumable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

// FinishUpload makes a job of an upload whose bytes are all stored. If the process dies
// meanwhile, the next request for the upload repeats it.
func (u upload) FinishUpload(ctx context.Context) error {
	if u.job.State != jobs.Uploading {
		return nil
	}
	// Not interrupted when the client leaves.
	ctx = logs.With(context.WithoutCancel(ctx), slog.String("job", u.job.ID))
	return u.request.fail(u.finish(ctx))
}

func (u upload) finish(ctx context.Context) error {
	switch _, err := u.deps.Videos.Complete(ctx, object(u.job)); {
	case errors.Is(err, media.ErrConflict):
		return problem.OffsetConflict.WithCause(err)
	case err != nil:
		return u.deps.Problem(err)
	}
	if !u.request.lock.headChecked {
		if err := u.checkVideo(ctx); err != nil {
			return err
		}
	}
	j, err := u.enqueue(ctx)
	if err != nil {
		return problem.Unavailable.WithCause(err)
	}
	u.request.upload = j
	u.deps.Accepted(ctx, j)
	return nil
}

// checkVideo reads the first bytes again, because they may have arrived in several parts.
func (u upload) checkVideo(ctx context.Context) error {
	_, video, err := u.deps.Videos.Open(ctx, u.job.Video.ID)
	if err != nil {
		return problem.Unavailable.WithCause(err)
	}
	defer video.Close()
	head := make([]byte, min(HeadSize, u.job.Video.Size))
	if _, err := io.ReadFull(video, head); err != nil {
		return problem.Unavailable.WithCause(err)
	}
	if err := u.deps.CheckHead(head); err != nil {
		u.discard(ctx)
		return err
	}
	return nil
}

// enqueue turns the record into a job. An update whose result is unknown is repeated: if
// the first one was applied, the second one makes it durable.
func (u upload) enqueue(ctx context.Context) (j jobs.Job, err error) {
	err = jobs.Confirm(ctx, storeTimeout, func(ctx context.Context) (err error) {
		j, err = u.tryEnqueue(ctx)
		return err
	})
	if err != nil && !jobs.NothingToDo(err) {
		err = fmt.Errorf("finish upload: %w", err)
	}
	return j, err
}

func (u upload) tryEnqueue(ctx context.Context) (jobs.Job, error) {
	return u.deps.Jobs.Update(ctx, u.job.ID, func(j *jobs.Job) error {
		if j.State != jobs.Uploading {
			return nil
		}
		if err := j.UpdateResumable(u.request.lock.holder, func(r *jobs.Resumable) { r.UnverifiedFrom = nil }); err != nil {
			return err
		}
		return j.FinishUpload(u.config.Policy, u.request.lock.holder, u.deps.Jobs.Now())
	})
}

// Recover finishes an upload whose bytes have all arrived, but whose last request has
// died. It returns the job, or the record as it was. Errors are problems.
func (h *Handler) Recover(ctx context.Context, j jobs.Job) (jobs.Job, error) {
	if j.Resumable == nil || h.deps.Jobs.Now().Before(j.Lease.Until) {
		return j, nil
	}
	switch n, err := h.deps.Videos.Written(ctx, j.Video.ID); {
	case err != nil:
		return j, problem.Unavailable.WithCause(err)
	case n != j.Video.Size:
		return j, nil
	}
	q := &request{handler: h, user: token.Claims{Subject: j.Owner}, body: &body{}, interrupt: func() {}}
	ctx = context.WithValue(ctx, requestKey{}, q)
	l := &lock{Handler: h, upload: j.ID, holder: newHolder()}
	if err := l.Lock(ctx, nil); err != nil {
		return j, err
	}
	defer func() { _ = l.Unlock() }() // or the lease expires
	if _, err := (dataStore{h}).GetUpload(ctx, j.ID); err != nil {
		return j, err
	}
	return q.upload, nil
}
