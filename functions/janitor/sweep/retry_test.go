package sweep

import (
	"errors"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/shared/queue"
)

// keepVideos makes the janitor keep the videos of failed jobs for an hour.
func (f fixture) keepVideos() jobs.Policy {
	f.config.Policy.KeepFailed = time.Hour
	return f.config.Policy
}

// failedJob stores a job that has just failed, whose user is notified.
func (f fixture) failedJob(t *testing.T, p jobs.Policy, failure *conversion.Failure) jobs.Job {
	return f.job(t, func(j *jobs.Job) {
		must(t, j.Claim(p, "w", time.Now()))
		must(t, j.Fail(p, "w", failure, time.Now()))
		must(t, j.ClaimNotification(p, "n", time.Now()))
		must(t, j.RecordNotification(p, "n", nil, jobs.NotificationSent, time.Now()))
	})
}

// The video of a job that failed by used up attempts, or by a limit, is deleted once the
// time for a retry is over, and not before.
func TestKeptVideos(t *testing.T) {
	for name, store := range map[string]func(f fixture, p jobs.Policy) jobs.Job{
		"attempts used up": func(f fixture, p jobs.Policy) jobs.Job {
			j := f.job(t, func(j *jobs.Job) { j.Deaths = 2; must(t, j.Claim(p, "w", long)) })
			_, err := f.RunOnce(t.Context())
			must(t, err)
			return j
		},
		"limit": func(f fixture, p jobs.Policy) jobs.Job { return f.failedJob(t, p, conversion.MemoryLimit) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			j := store(f, f.keepVideos())
			sweep := func(after time.Duration, kept int) {
				t.Helper()
				f.forward(after)
				_, err := f.RunOnce(t.Context())
				must(t, err)
				_, err = f.RemoveOrphans(t.Context())
				must(t, err)
				if n := f.count(t, f.videos); n != kept {
					t.Errorf("%d videos after %v, want %d", n, after, kept)
				}
			}
			sweep(59*time.Minute, 1)
			sweep(2*time.Minute, 0)
			got, err := f.jobs.Get(t.Context(), j.ID)
			must(t, err)
			if err := got.RetryFailed(f.config.Policy, f.jobs.Now()); !errors.Is(err, jobs.ErrVideoGone) || got.State != jobs.Failed {
				t.Errorf("the job is %s, and its retry: %v", got.State, err)
			}
		})
	}
}

// A job that is retried keeps its video, and is woken like a new one.
func TestRetriedJob(t *testing.T) {
	f := newFixture(t)
	p := f.keepVideos()
	j := f.failedJob(t, p, conversion.TimeLimit)
	f.forward(59 * time.Minute)
	_, err := f.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error { return j.RetryFailed(p, f.jobs.Now()) })
	must(t, err)
	f.forward(2 * time.Minute)
	report, err := f.RunOnce(t.Context())
	must(t, err)
	if report != (Report{ConversionWakes: 1}) || f.queue.events[0] != (sent{queue.Video, j.ID}) {
		t.Errorf("report %+v, woken %v", report, f.queue.events)
	}
	f.removeOrphansWant(t, 0, 1)
}

// The video is deleted after the record says so: a deletion that fails is repeated.
func TestKeptVideoThatCannotBeDeleted(t *testing.T) {
	f := newFixture(t)
	f.failedJob(t, f.keepVideos(), conversion.TimeLimit)
	videos := f.videos
	f.videos = &failing{Store: videos, fails: func(string) bool { return true }}
	f.forward(time.Hour)
	if report, err := f.RunOnce(t.Context()); !errors.Is(err, errAway) || report.Videos != 1 {
		t.Errorf("report %+v, error %v, want that of the store", report, err)
	}
	f.videos = videos
	f.removeOrphansWant(t, 1, 0)
}

// An expired job whose video is still kept is erased with it.
func TestKeptVideoExpiresWithItsJob(t *testing.T) {
	f := newFixture(t)
	p := f.keepVideos()
	p.KeepFailed = 1000 * time.Hour
	j := f.failedJob(t, p, conversion.TimeLimit)
	f.forward(p.Retention + time.Minute)
	report, err := f.RunOnce(t.Context())
	must(t, err)
	if report != (Report{Expired: 1}) || f.exists(t, j) || f.count(t, f.videos) != 0 {
		t.Errorf("report %+v, record there: %v, %d videos", report, f.exists(t, j), f.count(t, f.videos))
	}
}
