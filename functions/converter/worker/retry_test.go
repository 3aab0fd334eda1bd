package worker

import (
	"errors"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/test/samples"
)

// A job whose workers died keeps its video. Retried by its owner, it is converted as if it
// had just been uploaded.
func TestRetriedJobIsConverted(t *testing.T) {
	b := newBench(t)
	b.config.Policy.KeepFailed = time.Hour
	j := b.upload(t, makeSample(t, samples.Spec{Name: "a.mkv", Seconds: 5}), "a.mkv")
	for range policy.MaxDeaths {
		if _, err := b.claimJob(t.Context(), j.ID); err != nil { // and dies
			t.Fatal(err)
		}
		b.jobs.offset += policy.Lease
	}
	convert := func(want jobs.State) jobs.Job {
		t.Helper()
		if err := b.Convert(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		got := b.get(t, j.ID)
		if got.State != want {
			t.Fatalf("state %s, failure %v, want %s", got.State, got.Failure, want)
		}
		return got
	}
	if got := convert(jobs.Failed); got.Failure.Code != conversion.AttemptsExhausted.Code || !got.NeedsVideo() {
		t.Errorf("failure %v, video kept until %v", got.Failure, got.VideoUntil)
	}
	if _, err := b.jobs.Update(t.Context(), j.ID, func(j *jobs.Job) error { return j.RetryFailed(b.config.Policy, b.jobs.Now()) }); err != nil {
		t.Fatal(err)
	}
	if got := convert(jobs.Done); got.Attempts != 1 || got.Deaths != 0 {
		t.Errorf("%d attempts, %d deaths", got.Attempts, got.Deaths)
	}
	b.nothingLeft(t, 1)
}

// The video is deleted at once if it is to blame.
func TestVideoAtFaultIsNotKept(t *testing.T) {
	b := newBench(t)
	b.config.Policy.KeepFailed = time.Hour
	j := b.upload(t, makeSample(t, samples.Spec{Name: "a.mkv", Seconds: 2, Audio: "none"}), "a.mkv")
	if err := b.Convert(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	got := b.get(t, j.ID)
	if err := got.RetryFailed(b.config.Policy, b.jobs.Now()); !errors.Is(err, jobs.ErrVideoGone) {
		t.Errorf("failure %v, its retry: %v", got.Failure, err)
	}
	b.nothingLeft(t, 0)
}
