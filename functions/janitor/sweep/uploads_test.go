package sweep

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
)

// upload stores a job whose upload began at a time.
func (f fixture) upload(t testing.TB, begun time.Time) jobs.Job {
	return f.job(t, func(j *jobs.Job) { j.BeginUpload(policy, "request", begun) })
}

func TestUploadsExpire(t *testing.T) {
	f := newFixture(t)
	expired := f.upload(t, time.Now().Add(-policy.UploadTTL-time.Second))
	recent := f.upload(t, time.Now().Add(-policy.UploadTTL+time.Minute))
	report, err := f.RunOnce(t.Context())
	must(t, err)
	if report.Expired != 1 || len(f.queue.events) != 0 {
		t.Errorf("%+v, woken %v, want one upload expired and nothing woken", report, f.queue.events)
	}
	if _, err := f.jobs.Get(t.Context(), expired.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("the expired upload: %v, want %v", err, jobs.ErrNotFound)
	}
	if _, err := f.jobs.Get(t.Context(), recent.ID); err != nil {
		t.Errorf("the recent upload: %v", err)
	}
	if n := f.count(t, f.videos); n != 1 {
		t.Errorf("%d videos are left, want that of the recent upload", n)
	}
}

// The record is read again before its upload is deleted.
func TestUploadContinuedMeanwhileStays(t *testing.T) {
	f := newFixture(t)
	j := f.upload(t, time.Now().Add(-policy.UploadTTL-time.Second))
	_, err := f.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error { return j.LockUpload(policy, "request", time.Now()) })
	must(t, err)
	f.newRun().process(t.Context(), j)
	if _, err := f.jobs.Get(t.Context(), j.ID); err != nil {
		t.Errorf("the upload: %v", err)
	}
	if n := f.count(t, f.videos); n != 1 {
		t.Errorf("%d videos, want 1", n)
	}
}

func TestRecoverReleasesUploads(t *testing.T) {
	f := newFixture(t)
	j := f.upload(t, time.Now())
	must(t, f.Recover(t.Context()))
	if len(f.queue.events) != 0 {
		t.Errorf("woken: %v", f.queue.events)
	}
	_, err := f.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error { return j.LockUpload(policy, "after the restart", time.Now()) })
	if err != nil {
		t.Errorf("LockUpload: %v, want no lease", err)
	}
}

// All bytes have arrived, but the gateway died before it could record that, and the client
// did not ask again.
func TestCompleteUploadIsQueued(t *testing.T) {
	f := newFixture(t)
	j := f.job(t, func(j *jobs.Job) {
		j.BeginUpload(policy, "request", time.Now().Add(-policy.UploadTTL-time.Second))
		j.Resumable = &jobs.Resumable{}
	})
	_, err := f.RunOnce(t.Context())
	must(t, err)
	got, err := f.jobs.Get(t.Context(), j.ID)
	if err != nil || got.State != jobs.Queued || len(f.queue.events) != 1 {
		t.Errorf("%+v, %v, woken %v; want a queued job that was woken", got, err, f.queue.events)
	}
	if n := f.count(t, f.videos); n != 1 {
		t.Errorf("%d videos, want 1", n)
	}
}

// The remains of an upload that can still be continued stay, however old they are.
func TestIncompleteVideoOfUploadStays(t *testing.T) {
	f := newFixture(t)
	for _, resumable := range []*jobs.Resumable{nil, {}} {
		j := jobs.Job{ID: id.New(), Resumable: resumable}
		j.Video = jobs.File{ID: j.ID, Size: 10}
		j.BeginUpload(policy, "", time.Now())
		must(t, f.jobs.Create(t.Context(), j))
		_, err := f.videos.Append(t.Context(), media.Object{ID: j.ID, Size: 10}, 0, strings.NewReader("part"))
		must(t, err)
		f.config.OrphanAge = -time.Hour // everything is old
		_, err = f.RemoveOrphans(t.Context())
		must(t, err)
		want := int64(0)
		if resumable != nil {
			want = 4
		}
		if n, err := f.videos.Written(t.Context(), j.ID); n != want || err != nil {
			t.Errorf("resumable %v: %d bytes are left, %v; want %d", resumable != nil, n, err, want)
		}
	}
}

// unreachable is a media store that cannot be read.
type unreachable struct{ media.Store }

func (unreachable) Open(context.Context, string) (media.Object, io.ReadSeekCloser, error) {
	return media.Object{}, nil, errors.New("away")
}

// While the videos cannot be read, nobody knows whether all bytes have arrived. After
// MAX_JOB_AGE the upload is deleted nevertheless.
func TestUploadStaysWhileVideosAreUnreachable(t *testing.T) {
	f := newFixture(t)
	begun := func(age time.Duration) jobs.Job {
		return f.job(t, func(j *jobs.Job) {
			j.BeginUpload(policy, "request", time.Now().Add(-age))
			j.Resumable = &jobs.Resumable{}
		})
	}
	recent, old := begun(policy.UploadTTL+time.Second), begun(policy.UploadTTL+policy.MaxAge)
	videos := f.videos
	f.videos = unreachable{videos}
	_, err := f.RunOnce(t.Context())
	must(t, err)
	if j, err := f.jobs.Get(t.Context(), recent.ID); err != nil || j.State != jobs.Uploading {
		t.Errorf("the recent upload: %s, %v; want it kept", j.State, err)
	}
	if _, err := f.jobs.Get(t.Context(), old.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("the old upload: %v, want %v", err, jobs.ErrNotFound)
	}
	if n := f.count(t, videos); n != 1 {
		t.Errorf("%d videos, want that of the recent upload", n)
	}
}
