package resumable

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
)

// locker is tusd's locker. A lock is a lease in the record of the upload.
type locker struct{ *Handler }

var _ tusd.Locker = locker{}

func (l locker) NewLock(id string) (tusd.Lock, error) {
	return &lock{Handler: l.Handler, upload: id, holder: newHolder()}, nil
}

func newHolder() string { return id.New() }

// pollInterval is the time between attempts to get a lease that another request holds.
const pollInterval = 200 * time.Millisecond

// lock is the lease of one request.
type lock struct {
	*Handler
	upload, holder string

	ctx    context.Context // ends when the lease is lost
	cancel context.CancelCauseFunc
	watch  sync.WaitGroup
	stop   context.CancelFunc // of watch

	// What is recorded when the lock is released.
	unverified  *int64
	headChecked bool
}

// Lock gets the lease, or returns problem.UploadLocked after a time. A job whose upload is
// complete needs no lease.
//
// It does not call the function by which tusd interrupts a request: tusd reads the body of
// the request there without synchronization. It interrupts the body itself.
func (l *lock) Lock(ctx context.Context, _ func()) error {
	q := requestOf(ctx)
	if q.lock != nil { // since the upload was created
		l.holder = q.lock.holder
		l.hold(ctx, q, q.upload)
		return nil
	}
	j, err := l.acquire(ctx, q)
	if err != nil {
		return q.fail(err)
	}
	if j.State != jobs.Uploading {
		q.upload = j
		return nil
	}
	l.hold(ctx, q, j)
	if err := l.discardUnverified(ctx, j); err != nil {
		_ = l.Unlock()
		return q.fail(err)
	}
	return nil
}

// acquire returns the record once its lease is the request's, or once it needs none.
func (l *lock) acquire(ctx context.Context, q *request) (jobs.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, l.lockTimeout)
	defer cancel()
	for asked := false; ; {
		j, err := l.Owned(ctx, q.user, l.upload)
		if err != nil || j.State != jobs.Uploading {
			return j, err
		}
		if !l.deps.Jobs.Now().Before(j.Lease.Until) {
			j, err = l.deps.Jobs.Update(ctx, l.upload, func(j *jobs.Job) error {
				return j.LockUpload(l.config.Policy, l.holder, l.deps.Jobs.Now())
			})
			switch {
			case err == nil:
				return j, nil
			case !jobs.NothingToDo(err) && ctx.Err() == nil:
				return j, problem.Unavailable.WithCause(err)
			}
		} else if !asked {
			_, err := l.deps.Jobs.Update(ctx, l.upload, (*jobs.Job).RequestUpload)
			asked = err == nil
		}
		select {
		case <-ctx.Done():
			return j, problem.UploadLocked
		case <-time.After(pollInterval):
		}
	}
}

// hold renews the lease until Unlock.
func (l *lock) hold(ctx context.Context, q *request, j jobs.Job) {
	q.lock, q.upload = l, j
	l.headChecked = j.Resumable.HeadChecked
	// tusd cancels ctx when Lock returns. What follows ends with the body of the request.
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	until := time.Now().Add(jobs.UploadLease) // by this process's clock, and a little too late
	l.watch.Go(func() { l.renew(watch, until, q.interrupt) })
}

// renew renews the lease, interrupts the request if another one waits for the upload, and
// ends l.ctx when the lease is lost.
func (l *lock) renew(ctx context.Context, until time.Time, interrupt func()) {
	ticker := time.NewTicker(l.watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		begun := time.Now()
		wanted, renewed, err := l.renewIfDue(ctx, until)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, jobs.ErrLeaseLost), errors.Is(err, jobs.ErrNotFound), err != nil && begun.After(until):
			slog.WarnContext(ctx, "lease of the upload lost", "error", err)
			l.cancel(jobs.ErrLeaseLost)
			interrupt()
			return
		case err != nil:
			slog.WarnContext(ctx, "lease of the upload not renewed", "error", err)
		case renewed:
			until = begun.Add(jobs.UploadLease)
		}
		if wanted {
			interrupt()
		}
	}
}

// renewIfDue reads the record, and renews the lease if a third of its time is over.
func (l *lock) renewIfDue(ctx context.Context, until time.Time) (wanted, renewed bool, err error) {
	ctx, cancel := context.WithDeadline(ctx, until.Add(l.watchInterval))
	defer cancel()
	if time.Until(until) > jobs.UploadLease*2/3 {
		j, err := l.deps.Jobs.Get(ctx, l.upload)
		if err == nil && j.State == jobs.Uploading && j.Lease.Holder != l.holder {
			err = jobs.ErrLeaseLost
		}
		return j.Lease.Wanted, false, err
	}
	_, err = l.deps.Jobs.Update(ctx, l.upload, func(j *jobs.Job) (err error) {
		if j.State != jobs.Uploading {
			return nil // this request has finished it
		}
		wanted, err = j.RenewUpload(l.config.Policy, l.holder, l.deps.Jobs.Now())
		return err
	})
	return wanted, err == nil, err
}

// discardUnverified deletes what an earlier request has stored of a part whose checksum is
// not known to be right.
func (l *lock) discardUnverified(ctx context.Context, j jobs.Job) error {
	if j.Resumable == nil || j.Resumable.UnverifiedFrom == nil {
		return nil
	}
	l.unverified = j.Resumable.UnverifiedFrom
	switch err := l.truncate(ctx, j, *l.unverified); {
	case errors.Is(err, media.ErrConflict): // the other request has not stopped yet
		return problem.UploadLocked
	case err != nil:
		return l.deps.Problem(err)
	}
	return nil
}

// truncate deletes the bytes of a part. If the object is complete, its last part was
// verified.
func (l *lock) truncate(ctx context.Context, j jobs.Job, size int64) error {
	err := l.deps.Videos.Truncate(ctx, j.Video.ID, size)
	if errors.Is(err, media.ErrConflict) {
		_, err = l.deps.Videos.Complete(ctx, object(j))
	}
	if err == nil {
		l.unverified = nil
	}
	return err
}

// markUnverified records that the bytes from an offset on are not verified until the lock is
// released.
func (l *lock) markUnverified(ctx context.Context, offset int64) error {
	_, err := l.deps.Jobs.Update(ctx, l.upload, func(j *jobs.Job) error {
		return j.UpdateResumable(l.holder, func(r *jobs.Resumable) { r.UnverifiedFrom = &offset })
	})
	if err == nil {
		l.unverified = &offset
	}
	return err
}

// Unlock releases the lease.
func (l *lock) Unlock() error {
	if l.ctx == nil {
		return nil // the job needed no lease
	}
	l.stop()
	l.watch.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeTimeout)
	defer cancel()
	l.cancel(nil)
	_, err := l.deps.Jobs.Update(ctx, l.upload, func(j *jobs.Job) error {
		if err := j.UpdateResumable(l.holder, l.record); err != nil {
			return err
		}
		return j.UnlockUpload(l.config.Policy, l.holder, l.deps.Jobs.Now())
	})
	if err != nil && !jobs.NothingToDo(err) {
		slog.WarnContext(ctx, "upload not released; its lease will expire", "error", err)
	}
	return err
}

func (l *lock) record(r *jobs.Resumable) {
	r.UnverifiedFrom, r.HeadChecked = l.unverified, l.headChecked
}
