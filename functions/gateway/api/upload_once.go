package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"mp3converter/functions/gateway/idempotency"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/problem"
)

const (
	// keyWait is how long an upload waits for another one with the same key. It exceeds
	// the lease of an upload, so that it outlasts one whose gateway has died.
	keyWait = 2 * jobs.UploadLease
	// keyTTL is how long the record of an upload is kept after its gateway has died. The
	// upload cannot be continued, but its key can be taken over until then.
	keyTTL = 4 * jobs.UploadLease
)

// uploadOnce handles an upload with an idempotency key. The record is created before the
// video arrives, and with it the key, so that of several requests only one uploads. If
// that fails, the record is deleted and the key is free again.
func (g *Gateway) uploadOnce(w http.ResponseWriter, r *http.Request, h uploadHead) error {
	holder := id.New()
	job, err := g.lockKey(r.Context(), h, holder)
	if err != nil {
		return err
	}
	if job.State != jobs.Uploading {
		return g.replay(w, r, h, job)
	}
	ctx := logs.With(r.Context(), slog.String("job", job.ID))
	err = g.holdUpload(ctx, job.ID, holder, func(ctx context.Context) error {
		received, err := g.receive(ctx, w, r, h, job)
		if err != nil {
			return err
		}
		job, err = g.finishUpload(ctx, received, holder)
		return err
	})
	switch {
	case errors.Is(err, jobs.ErrLeaseLost): // to a request that has the key now
		g.deleteVideo(ctx, job.Video.ID)
		return problem.IdempotencyKeyInUse
	case err != nil:
		g.abandonUpload(ctx, job, holder)
		return err
	}
	g.wakeConverter(context.WithoutCancel(ctx), job)
	countAccepted(ctx, job)
	return g.writeAccepted(w, job)
}

// uploadPolicy is the policy for uploads that cannot be continued by another request.
func (g *Gateway) uploadPolicy() jobs.Policy {
	p := g.config.Policy
	p.UploadTTL = min(p.UploadTTL, keyTTL)
	return p
}

// lockKey returns the job that belongs to the key of an upload. If it is Uploading, it is
// leased to holder. While another request uploads, lockKey waits, and nothing of the body
// is read: if the other request fails, this one uploads.
func (g *Gateway) lockKey(ctx context.Context, h uploadHead, holder string) (jobs.Job, error) {
	begun := time.Now()
	for {
		job, err := g.tryLockKey(ctx, h, holder)
		if err == nil || !errors.Is(err, problem.IdempotencyKeyInUse) || time.Since(begun) > g.keyWait {
			return job, err
		}
		select {
		case <-ctx.Done():
			return jobs.Job{}, ctx.Err()
		case <-time.After(min(max(time.Since(begun)/10, minKeyPoll), maxKeyPoll)):
		}
	}
}

// minKeyPoll and maxKeyPoll limit the interval at which lockKey tries again.
const minKeyPoll, maxKeyPoll = 20 * time.Millisecond, time.Second

func (g *Gateway) tryLockKey(ctx context.Context, h uploadHead, holder string) (jobs.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	job, err := g.Jobs.ByKey(ctx, h.user.Subject, h.key)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		job, err = g.beginUpload(ctx, h, holder)
	case err == nil && idempotency.Pending(job):
		job, err = g.takeOverUpload(ctx, job, h, holder)
	case err == nil && job.State == jobs.Uploading:
		return job, problem.IdempotencyKeyReused.WithDetail("It belongs to a resumable upload.")
	}
	var refusal *problem.Error
	switch {
	case err == nil, errors.As(err, &refusal):
		return job, err
	case errors.Is(err, jobs.ErrExists), jobs.NothingToDo(err):
		return job, problem.IdempotencyKeyInUse
	}
	return job, problem.Unavailable.WithCause(err)
}

// beginUpload creates the record of an upload and leases it to holder.
func (g *Gateway) beginUpload(ctx context.Context, h uploadHead, holder string) (jobs.Job, error) {
	job := h.newJob()
	if err := g.admit(ctx, job, h.size); err != nil {
		return jobs.Job{}, err
	}
	job.BeginUpload(g.uploadPolicy(), holder, g.Jobs.Now())
	err := g.Jobs.Create(ctx, job)
	if err != nil && !errors.Is(err, jobs.ErrExists) {
		g.abandonUpload(ctx, job, holder) // it may be stored nevertheless
	}
	return job, err
}

// takeOverUpload leases an upload to holder whose request has died, and gives it a new
// video: the request may not be dead, but slow.
func (g *Gateway) takeOverUpload(ctx context.Context, j jobs.Job, h uploadHead, holder string) (jobs.Job, error) {
	video := jobs.File{ID: id.New(), Size: h.size}
	var previous jobs.File
	j, err := g.Jobs.Update(ctx, j.ID, func(j *jobs.Job) error {
		previous = j.Video
		j.Video, j.Email = video, h.user.Email
		return j.LockUpload(g.uploadPolicy(), holder, g.Jobs.Now())
	})
	if err != nil {
		return jobs.Job{}, err
	}
	slog.InfoContext(ctx, "upload taken over", "job", j.ID)
	g.deleteVideo(ctx, previous.ID)
	return j, nil
}

// finishUpload records that the video is complete and queues the job. It returns nil only
// if the store has confirmed that. The client may have left meanwhile.
func (g *Gateway) finishUpload(ctx context.Context, j jobs.Job, holder string) (finished jobs.Job, err error) {
	err = jobs.Confirm(context.WithoutCancel(ctx), storeTimeout, func(ctx context.Context) (err error) {
		finished, err = g.tryFinishUpload(ctx, j, holder)
		return err
	})
	switch {
	case err == nil:
		return finished, nil
	case jobs.NothingToDo(err):
		return j, jobs.ErrLeaseLost
	}
	return j, problem.Unavailable.WithCause(err)
}

func (g *Gateway) tryFinishUpload(ctx context.Context, received jobs.Job, holder string) (jobs.Job, error) {
	return g.Jobs.Update(ctx, received.ID, func(j *jobs.Job) error {
		if j.State != jobs.Uploading && j.Video.ID == received.Video.ID {
			return nil // by an earlier write, which this one makes durable
		}
		stored := *j
		*j = received
		j.Revision, j.State, j.Lease = stored.Revision, stored.State, stored.Lease
		return j.FinishUpload(g.config.Policy, holder, g.Jobs.Now())
	})
}

// abandonUpload deletes the record and the video of an upload that has failed, so that its
// key is free. If another request has taken it over, or if the upload is complete although
// the store did not confirm that, nothing is deleted. What cannot be deleted is taken over
// by the next request with the key, or deleted by the janitor.
func (g *Gateway) abandonUpload(ctx context.Context, j jobs.Job, holder string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), jobs.UploadLease/2)
	defer cancel()
	j, err := g.Jobs.Update(ctx, j.ID, func(j *jobs.Job) error {
		_, err := j.RenewUpload(g.uploadPolicy(), holder, g.Jobs.Now())
		return err
	})
	if err == nil {
		err = jobs.Erase(ctx, g.Jobs, g.Videos, g.Audio, j)
	}
	if err != nil && !jobs.NothingToDo(err) {
		slog.WarnContext(ctx, "failed upload not deleted; its key remains in use for a moment", "error", err)
	}
}
