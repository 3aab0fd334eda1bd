package jobs

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"mp3converter/shared/conversion"
)

// keeping is policy with kept videos.
var keeping = func() Policy { p := policy; p.KeepFailed = time.Hour; return p }()

// failedJob returns a job that failed at the given time after three attempts and whose user
// was notified.
func failedJob(t *testing.T, p Policy, f *conversion.Failure, at time.Time) *Job {
	t.Helper()
	j := &Job{ID: "1", Owner: "ann", Name: "a.mp4", Video: File{"video", 1}, MediaInfo: &conversion.MediaInfo{Codec: "aac"}}
	j.Enqueue(p, start)
	j.Deaths, j.Retries, j.Wakes = 1, 2, 3
	for _, err := range []error{
		j.Claim(p, "me", at.Add(-time.Minute)),
		j.Fail(p, "me", f, at),
		j.ClaimNotification(p, "me", at),
		j.RecordNotification(p, "me", []string{"mail"}, NotificationSent, at),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func TestVideosOfFailedJobsAreKept(t *testing.T) {
	for _, c := range []struct {
		failure *conversion.Failure
		keep    time.Duration
		want    time.Duration // after the failure; 0: not kept
	}{
		{conversion.AttemptsExhausted, time.Hour, time.Hour},
		{conversion.TimeLimit, time.Hour, time.Hour},
		{conversion.MemoryLimit, time.Hour, time.Hour},
		{conversion.MemoryLimit, 1000 * time.Hour, policy.Retention},
		{conversion.MemoryLimit, 0, 0},
		{conversion.Corrupt, time.Hour, 0},
		{conversion.TooLong, time.Hour, 0},
		{conversion.VideoMissing, time.Hour, 0},
	} {
		p := policy
		p.KeepFailed = c.keep
		j := failedJob(t, p, c.failure, now)
		var want time.Time
		if c.want > 0 {
			want = now.Add(c.want)
		}
		if !j.VideoUntil.Equal(want) || j.NeedsVideo() != (c.want > 0) {
			t.Errorf("%s, kept for %v: until %v, needed: %v; want %v", c.failure.Code, c.keep, j.VideoUntil, j.NeedsVideo(), want)
		}
		if due := j.ExpiresAt; c.want == 0 && !j.DueAt.Equal(due) || c.want > 0 && !j.DueAt.Equal(want) {
			t.Errorf("%s, kept for %v: due at %v", c.failure.Code, c.keep, j.DueAt)
		}
	}
}

func TestEveryRuleKeepsTheVideo(t *testing.T) {
	exhausted := &Job{ID: "1", Attempts: policy.MaxAttempts}
	exhausted.Enqueue(keeping, start)
	old := &Job{ID: "1"}
	old.Enqueue(keeping, now.Add(-policy.MaxAge))
	if err := errors.Join(exhausted.FailExhausted(keeping, now), old.Claim(keeping, "me", now), old.Postpone(keeping, "me", now)); err != nil {
		t.Fatal(err)
	}
	for name, j := range map[string]*Job{"FailExhausted": exhausted, "Postpone": old} {
		if !j.VideoUntil.Equal(now.Add(time.Hour)) {
			t.Errorf("%s: the video is kept until %v", name, j.VideoUntil)
		}
	}
}

func TestRetryFailed(t *testing.T) {
	at := now.Add(keeping.KeepFailed - time.Millisecond)
	j := failedJob(t, keeping, conversion.MemoryLimit, now)
	started := j.StartedAt
	j.Deliveries = []Delivery{{ID: "d", Target: TargetUser, State: DeliveryPending}} // about the failure
	if err := j.RetryFailed(keeping, at); err != nil {
		t.Fatal(err)
	}
	want := &Job{ID: "1", Owner: "ann", Name: "a.mp4", Video: File{"video", 1}, State: Queued,
		CreatedAt: start, StartedAt: started, RetriedAt: at, DueAt: at.Add(keeping.Wake)}
	if !reflect.DeepEqual(j, want) {
		t.Errorf("retried:\n got %+v\nwant %+v", j, want)
	}
	if err := j.RetryFailed(keeping, at); !errors.Is(err, ErrNotFailed) {
		t.Errorf("retried twice: %v, want %v", err, ErrNotFailed)
	}
	// MAX_JOB_AGE counts from the retry.
	late := at.Add(policy.MaxAge - time.Minute)
	if err := errors.Join(j.Claim(keeping, "me", late), j.Postpone(keeping, "me", late)); err != nil || j.State != Queued {
		t.Errorf("postponed within MAX_JOB_AGE of the retry: %s, %v", j.State, err)
	}
}

func TestRetryRefused(t *testing.T) {
	for name, c := range map[string]struct {
		j    *Job
		at   time.Time
		want error
	}{
		"done":               {situations()["done"], now, ErrNotFailed},
		"cancelled":          {situations()["cancelled"], now, ErrNotFailed},
		"queued":             {situations()["queued"], now, ErrNotFailed},
		"converting":         {situations()["mine"], now, ErrNotFailed},
		"the video's fault":  {failedJob(t, keeping, conversion.Corrupt, now), now, ErrVideoGone},
		"the time is over":   {failedJob(t, keeping, conversion.MemoryLimit, now), now.Add(time.Hour), ErrVideoGone},
		"to be deleted":      {failedJob(t, keeping, conversion.MemoryLimit, now), now, ErrVideoGone},
		"the video's gone":   {failedJob(t, keeping, conversion.MemoryLimit, now), now, ErrVideoGone},
		"an earlier version": {situations()["failed"], now, ErrVideoGone},
	} {
		switch name {
		case "to be deleted":
			if err := c.j.GiveUpVideo(); err != nil {
				t.Fatal(err)
			}
		case "the video's gone":
			if err := c.j.ExpireVideo(keeping, now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		before := *c.j
		if err := c.j.RetryFailed(keeping, c.at); !errors.Is(err, c.want) || !reflect.DeepEqual(*c.j, before) {
			t.Errorf("%s: %v, want %v and no change", name, err, c.want)
		}
	}
}

func TestExpireVideo(t *testing.T) {
	until := now.Add(time.Hour)
	notified := failedJob(t, keeping, conversion.MemoryLimit, now)
	waiting := failedJob(t, keeping, conversion.MemoryLimit, now)
	waiting.Notification = Notification{}
	notifying := failedJob(t, keeping, conversion.MemoryLimit, now)
	notifying.Notification = Notification{Lease: Lease{Until: until.Add(10 * time.Minute)}}
	for name, c := range map[string]struct {
		j    *Job
		want time.Time // when it is due
	}{
		"notified":      {notified, notified.ExpiresAt},
		"not notified":  {waiting, until.Add(keeping.Wake)},
		"paused notice": {notifying, until.Add(10 * time.Minute)},
	} {
		if err := c.j.ExpireVideo(keeping, until.Add(-time.Millisecond)); !errors.Is(err, ErrNotDue) {
			t.Errorf("%s: too early: %v, want %v", name, err, ErrNotDue)
		}
		if err := c.j.ExpireVideo(keeping, until); err != nil {
			t.Fatal(err)
		}
		if c.j.NeedsVideo() || !c.j.DueAt.Equal(c.want) {
			t.Errorf("%s: needed: %v, due at %v, want %v", name, c.j.NeedsVideo(), c.j.DueAt, c.want)
		}
		if err := c.j.ExpireVideo(keeping, until); !errors.Is(err, ErrNotDue) {
			t.Errorf("%s: again: %v, want %v", name, err, ErrNotDue)
		}
	}
}

// A notification whose lease ends after the video expires is not claimed by another one
// meanwhile.
func TestNotificationWhileTheVideoExpires(t *testing.T) {
	j := failedJob(t, keeping, conversion.MemoryLimit, now)
	j.Notification = Notification{}
	at := j.VideoUntil.Add(-time.Second)
	if err := errors.Join(j.ClaimNotification(keeping, "me", at), j.RecordNotification(keeping, "me", nil, "", at)); err != nil {
		t.Fatal(err)
	}
	if !j.DueAt.Equal(j.VideoUntil) || j.Notification.Lease.Until.Before(at.Add(keeping.Lease)) {
		t.Errorf("due at %v, the next notification at %v", j.DueAt, j.Notification.Lease.Until)
	}
}
