package jobs

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"mp3converter/shared/conversion"
)

var (
	policy = Policy{MaxAttempts: 3, MaxDeaths: 2, MaxAge: 24 * time.Hour, RetryMax: 10 * time.Second, Lease: time.Minute, Wake: time.Minute, WakeMax: time.Hour, Retention: 24 * time.Hour, UploadTTL: time.Hour}
	start  = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
)

// The situations a job can be in, as seen at the instant now, which is ten
// minutes after it was enqueued.
var now = start.Add(10 * time.Minute)

func situations() map[string]*Job {
	make := func(state State, more func(*Job)) *Job {
		j := &Job{ID: "1"}
		j.Enqueue(policy, start)
		j.State = state
		if state.Final() {
			j.finish(policy, state, start.Add(time.Minute))
		}
		if more != nil {
			more(j)
		}
		return j
	}
	lease := func(holder string, until time.Duration, attempts int) func(*Job) {
		return func(j *Job) {
			j.Attempts, j.Progress = attempts, 40
			j.Lease = Lease{Holder: holder, Until: now.Add(until)}
			j.DueAt = j.Lease.Until
		}
	}
	return map[string]*Job{
		"queued":                        make(Queued, nil),
		"queued again":                  make(Queued, func(j *Job) { j.Attempts, j.Wakes = 1, 2 }),
		"paused":                        make(Queued, func(j *Job) { j.NotBefore = now.Add(time.Millisecond) }),
		"pause over":                    make(Queued, func(j *Job) { j.NotBefore = now }),
		"queued, two workers died":      make(Queued, func(j *Job) { j.Deaths = policy.MaxDeaths }),
		"queued, no attempts left":      make(Queued, func(j *Job) { j.Attempts = policy.MaxAttempts }),
		"mine":                          make(Converting, lease("me", 30*time.Second, 1)),
		"mine, expired":                 make(Converting, lease("me", -time.Second, 1)),
		"theirs":                        make(Converting, lease("they", time.Millisecond, 1)),
		"theirs, expired":               make(Converting, lease("they", 0, 1)),
		"theirs, expired, last attempt": make(Converting, lease("they", 0, policy.MaxAttempts)),
		"theirs, expired, second death": make(Converting, func(j *Job) { lease("they", 0, 1)(j); j.Deaths = 1 }),
		"theirs, drained, second death": make(Converting, func(j *Job) { lease("they", 0, 1)(j); j.Deaths, j.Lease.Draining = 1, true }),
		"done":                          make(Done, nil),
		"failed":                        make(Failed, func(j *Job) { j.Failure = conversion.Corrupt }),
		"cancelled":                     make(Cancelled, func(j *Job) { j.endNotification(NotificationOff, start.Add(time.Minute)) }),
		"done, notified":                make(Done, func(j *Job) { j.endNotification(NotificationSent, now) }),
		"done, my notification": make(Done, func(j *Job) {
			j.Notification.Lease = Lease{Holder: "me", Until: now.Add(time.Second)}
			j.Notification.Attempts = 1
		}),
		"done, their notification": make(Done, func(j *Job) {
			j.Notification.Lease = Lease{Holder: "they", Until: now.Add(time.Second)}
			j.Notification.Attempts = 1
		}),
		"done, their notification failed": make(Done, func(j *Job) { j.Notification.Lease = Lease{Holder: "they", Until: now}; j.Notification.Attempts = 1 }),
	}
}

// outcome of a rule: an error or the next state.
type outcome struct {
	err   error
	state State
}

func refused(err error) outcome { return outcome{err: err} }
func to(s State) outcome        { return outcome{state: s} }

// The outcome of each rule for each job.
var table = []struct {
	rule  string
	apply func(*Job) error
	want  map[string]outcome
}{
	{"Claim", func(j *Job) error { return j.Claim(policy, "me", now) }, map[string]outcome{
		"queued": to(Converting), "queued again": to(Converting), "queued, no attempts left": refused(ErrExhausted),
		"paused": refused(ErrPaused), "pause over": to(Converting), "queued, two workers died": refused(ErrExhausted),
		"mine": refused(ErrLeased), "mine, expired": to(Converting),
		"theirs": refused(ErrLeased), "theirs, expired": to(Converting), "theirs, expired, last attempt": to(Converting),
		"theirs, expired, second death": refused(ErrExhausted), "theirs, drained, second death": to(Converting),
		"done": refused(ErrFinished), "failed": refused(ErrFinished), "cancelled": refused(ErrFinished),
		"done, notified": refused(ErrFinished), "done, my notification": refused(ErrFinished), "done, their notification": refused(ErrFinished), "done, their notification failed": refused(ErrFinished),
	}},
	{"Renew", func(j *Job) error { return j.Renew(policy, "me", 50, now) }, holder(to(Converting))},
	{"Complete", func(j *Job) error { return j.Complete(policy, "me", File{"mp3", 1}, now) }, holder(to(Done))},
	{"Fail", func(j *Job) error { return j.Fail(policy, "me", conversion.NoAudio, now) }, holder(to(Failed))},
	{"Release", func(j *Job) error { return j.Release(policy, "me", now) }, holder(to(Queued))},
	{"Postpone", func(j *Job) error { return j.Postpone(policy, "me", now) }, holder(to(Queued))},
	{"Retry", func(j *Job) error { return j.Retry(policy, "me", conversion.Corrupt, now) }, holder(to(Queued))},
	{"Drain", func(j *Job) error { return j.Drain("me") }, holder(to(Converting))},
	{"ReleaseDead", func(j *Job) error { return j.ReleaseDead(policy, now) }, map[string]outcome{
		"queued": refused(ErrLeaseLost), "queued again": refused(ErrLeaseLost), "queued, no attempts left": refused(ErrLeaseLost),
		"paused": refused(ErrLeaseLost), "pause over": refused(ErrLeaseLost), "queued, two workers died": refused(ErrLeaseLost),
		"mine": to(Queued), "mine, expired": to(Queued),
		"theirs": to(Queued), "theirs, expired": to(Queued), "theirs, expired, last attempt": to(Queued),
		"theirs, expired, second death": to(Queued), "theirs, drained, second death": to(Queued),
		"done": refused(ErrLeaseLost), "failed": refused(ErrLeaseLost), "cancelled": refused(ErrLeaseLost),
		"done, notified": refused(ErrLeaseLost), "done, my notification": refused(ErrLeaseLost), "done, their notification": refused(ErrLeaseLost), "done, their notification failed": refused(ErrLeaseLost),
	}},
	{"FailExhausted", func(j *Job) error { return j.FailExhausted(policy, now) }, map[string]outcome{
		"queued": refused(ErrNotDue), "queued again": refused(ErrNotDue), "queued, no attempts left": to(Failed),
		"paused": refused(ErrNotDue), "pause over": refused(ErrNotDue), "queued, two workers died": to(Failed),
		"mine": refused(ErrLeased), "mine, expired": refused(ErrNotDue),
		"theirs": refused(ErrLeased), "theirs, expired": refused(ErrNotDue), "theirs, expired, last attempt": refused(ErrNotDue),
		"theirs, expired, second death": to(Failed), "theirs, drained, second death": refused(ErrNotDue),
		"done": refused(ErrFinished), "failed": refused(ErrFinished), "cancelled": refused(ErrFinished),
		"done, notified": refused(ErrFinished), "done, my notification": refused(ErrFinished), "done, their notification": refused(ErrFinished), "done, their notification failed": refused(ErrFinished),
	}},
	{"Cancel", func(j *Job) error { return j.Cancel(policy, now) }, map[string]outcome{
		"queued": to(Cancelled), "queued again": to(Cancelled), "queued, no attempts left": to(Cancelled),
		"paused": to(Cancelled), "pause over": to(Cancelled), "queued, two workers died": to(Cancelled),
		"mine": to(Cancelled), "mine, expired": to(Cancelled),
		"theirs": to(Cancelled), "theirs, expired": to(Cancelled), "theirs, expired, last attempt": to(Cancelled),
		"theirs, expired, second death": to(Cancelled), "theirs, drained, second death": to(Cancelled),
		"done": refused(ErrFinished), "failed": refused(ErrFinished), "cancelled": refused(ErrFinished),
		"done, notified": refused(ErrFinished), "done, my notification": refused(ErrFinished), "done, their notification": refused(ErrFinished), "done, their notification failed": refused(ErrFinished),
	}},
	{"ClaimNotification", func(j *Job) error { return j.ClaimNotification(policy, "me", now) }, map[string]outcome{
		"queued": refused(ErrNotFinished), "queued again": refused(ErrNotFinished), "queued, no attempts left": refused(ErrNotFinished),
		"paused": refused(ErrNotFinished), "pause over": refused(ErrNotFinished), "queued, two workers died": refused(ErrNotFinished),
		"mine": refused(ErrNotFinished), "mine, expired": refused(ErrNotFinished),
		"theirs": refused(ErrNotFinished), "theirs, expired": refused(ErrNotFinished), "theirs, expired, last attempt": refused(ErrNotFinished),
		"theirs, expired, second death": refused(ErrNotFinished), "theirs, drained, second death": refused(ErrNotFinished),
		"done": to(Done), "failed": to(Failed), "cancelled": refused(ErrNotificationEnded),
		"done, notified": refused(ErrNotificationEnded), "done, my notification": refused(ErrLeased), "done, their notification": refused(ErrLeased), "done, their notification failed": to(Done),
	}},
	{"RecordNotification", func(j *Job) error { return j.RecordNotification(policy, "me", []string{"mail"}, "sent", now) }, map[string]outcome{
		"queued": refused(ErrLeaseLost), "queued again": refused(ErrLeaseLost), "queued, no attempts left": refused(ErrLeaseLost),
		"paused": refused(ErrLeaseLost), "pause over": refused(ErrLeaseLost), "queued, two workers died": refused(ErrLeaseLost),
		"mine": refused(ErrLeaseLost), "mine, expired": refused(ErrLeaseLost),
		"theirs": refused(ErrLeaseLost), "theirs, expired": refused(ErrLeaseLost), "theirs, expired, last attempt": refused(ErrLeaseLost),
		"theirs, expired, second death": refused(ErrLeaseLost), "theirs, drained, second death": refused(ErrLeaseLost),
		"done": refused(ErrLeaseLost), "failed": refused(ErrLeaseLost), "cancelled": refused(ErrLeaseLost),
		"done, notified": refused(ErrLeaseLost), "done, my notification": to(Done), "done, their notification": refused(ErrLeaseLost), "done, their notification failed": refused(ErrLeaseLost),
	}},
}

// holder is what a rule does that is the holder's alone. A lease that has
// expired is still the holder's until somebody else takes the job.
func holder(o outcome) map[string]outcome {
	want := map[string]outcome{}
	for name := range situations() {
		want[name] = refused(ErrLeaseLost)
	}
	want["mine"], want["mine, expired"] = o, o
	return want
}

func TestEveryRuleInEverySituation(t *testing.T) {
	for _, c := range table {
		for name, j := range situations() {
			t.Run(c.rule+"/"+name, func(t *testing.T) {
				want, ok := c.want[name]
				if !ok {
					t.Fatal("the table does not say what should happen")
				}
				before := *j
				err := c.apply(j)
				if !errors.Is(err, want.err) {
					t.Fatalf("got %v, want %v", err, want.err)
				}
				if want.err != nil {
					if !reflect.DeepEqual(*j, before) {
						t.Errorf("a refused rule changed the job:\n got %+v\nwant %+v", *j, before)
					}
					return
				}
				if j.State != want.state {
					t.Errorf("the job is %s, want %s", j.State, want.state)
				}
			})
		}
	}
}

// The fields that each rule sets, beyond the state.
func TestWhatRulesRecord(t *testing.T) {
	at := func(name string, apply func(*Job)) Job {
		j := situations()[name]
		apply(j)
		return *j
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	lease := Lease{Holder: "me", Until: now.Add(policy.Lease)}

	j := at("queued again", func(j *Job) { ok(j.Claim(policy, "me", now)) })
	if j.Attempts != 2 || j.Wakes != 0 || j.Progress != 0 || !j.StartedAt.Equal(now) || j.Lease != lease || j.DueAt != lease.Until {
		t.Errorf("Claim: %+v", j)
	}
	for progress, want := range map[int]int{-5: 40, 39: 40, 41: 41, 100: 100, 250: 100} {
		j = at("mine", func(j *Job) { ok(j.Renew(policy, "me", progress, now)) })
		if j.Progress != want || j.Lease != lease || j.DueAt != lease.Until || j.Attempts != 1 {
			t.Errorf("Renew with %d: %+v", progress, j)
		}
	}
	j = at("mine", func(j *Job) { ok(j.Release(policy, "me", now)) })
	if j.Attempts != 0 || j.Progress != 0 || j.Lease != (Lease{}) || !j.DueAt.Equal(now.Add(policy.Wake)) {
		t.Errorf("Release: %+v", j)
	}
	j = at("theirs, expired", func(j *Job) { ok(j.Claim(policy, "me", now)) })
	if j.Attempts != 1 || j.Deaths != 1 || j.Lease != lease {
		t.Errorf("Claim after a death: %+v", j)
	}
	j = at("theirs, drained, second death", func(j *Job) { ok(j.Claim(policy, "me", now)) })
	if j.Attempts != 1 || j.Deaths != 1 || j.Lease != lease {
		t.Errorf("Claim after a death during a drain: %+v", j)
	}
	for retries, pause := range []time.Duration{2, 4, 8, 10, 10, 10} {
		j = at("mine", func(j *Job) { j.Retries = retries; ok(j.Postpone(policy, "me", now)) })
		if j.Attempts != 0 || j.Retries != retries+1 || j.Progress != 0 || j.Lease != (Lease{}) || j.NotBefore != now.Add(pause*time.Second) || j.DueAt != j.NotBefore {
			t.Errorf("Postpone after %d pauses: %+v", retries, j)
		}
	}
	j = at("mine", func(j *Job) { ok(j.Retry(policy, "me", conversion.VideoMissing, now)) })
	if j.Attempts != 1 || j.Retries != 1 || j.Failure != nil || j.NotBefore != now.Add(firstPause) || j.DueAt != j.NotBefore {
		t.Errorf("Retry after the first attempt: %+v", j)
	}
	j = at("mine", func(j *Job) { j.Attempts = 3; ok(j.Retry(policy, "me", conversion.VideoMissing, now)) })
	if j.State != Failed || j.Failure != conversion.VideoMissing {
		t.Errorf("Retry after the last attempt: %+v", j)
	}
	ended(t, "Retry after the last attempt", j)
	for name, apply := range map[string]func(*Job) error{
		"Postpone": func(j *Job) error { return j.Postpone(policy, "me", now) },
		"Retry":    func(j *Job) error { return j.Retry(policy, "me", conversion.VideoMissing, now) },
	} {
		j = at("mine", func(j *Job) { j.CreatedAt = now.Add(-policy.MaxAge); ok(apply(j)) })
		if j.State != Failed || j.Failure != conversion.AttemptsExhausted {
			t.Errorf("%s of an old job: %+v", name, j)
		}
		ended(t, name+" of an old job", j)
	}
	j = at("mine", func(j *Job) { ok(j.Drain("me")); ok(j.Renew(policy, "me", 50, now)) })
	if !j.Lease.Draining || j.Lease.Until != lease.Until {
		t.Errorf("Drain, then Renew: %+v", j)
	}
	j = at("theirs", func(j *Job) { ok(j.ReleaseDead(policy, now)) })
	if j.Attempts != 0 || j.Deaths != 1 || j.Progress != 0 || j.Lease != (Lease{}) || !j.DueAt.Equal(now.Add(policy.Wake)) {
		t.Errorf("ReleaseDead: %+v", j)
	}
	for due, want := range map[time.Time]error{now.Add(time.Millisecond): ErrNotDue, now: nil} {
		j = at("done", func(j *Job) {
			j.DueAt = due
			if err := j.Defer(time.Hour, now); err != want {
				t.Errorf("Defer of a job that is due in %v: %v, want %v", due.Sub(now), err, want)
			}
		})
		if want == nil && j.DueAt != now.Add(time.Hour) {
			t.Errorf("Defer: due at %v", j.DueAt)
		}
	}
	j = at("theirs, expired", func(j *Job) { ok(j.WakeSent(policy, now)) })
	if j.State != Queued || j.Attempts != 0 || j.Deaths != 1 || j.Lease != (Lease{}) || !j.DueAt.Equal(now.Add(2*policy.Wake)) {
		t.Errorf("WakeSent after a death: %+v", j)
	}
	j = at("done", func(j *Job) {
		j.DueAt, j.Wakes = now, 100
		j.ExpiresAt = now.Add(time.Second)
		ok(j.WakeSent(policy, now))
	})
	if j.DueAt != j.ExpiresAt {
		t.Errorf("WakeSent shortly before the job expires: due at %v, want %v", j.DueAt, j.ExpiresAt)
	}
	j = at("done", func(j *Job) { j.ExpiresAt = now.Add(time.Second); ok(j.ClaimNotification(policy, "me", now)) })
	if j.DueAt != j.ExpiresAt {
		t.Errorf("ClaimNotification shortly before the job expires: due at %v, want %v", j.DueAt, j.ExpiresAt)
	}
	j = at("mine", func(j *Job) { ok(j.Complete(policy, "me", File{"mp3", 9}, now)) })
	if j.Audio != (File{"mp3", 9}) || j.Progress != 100 || j.Failure != nil {
		t.Errorf("Complete: %+v", j)
	}
	ended(t, "Complete", j)
	j = at("mine", func(j *Job) { ok(j.Fail(policy, "me", conversion.NoAudio, now)) })
	if j.Failure != conversion.NoAudio || j.Audio != (File{}) {
		t.Errorf("Fail: %+v", j)
	}
	ended(t, "Fail", j)
	j = at("theirs, expired, second death", func(j *Job) { ok(j.FailExhausted(policy, now)) })
	if j.Failure != conversion.AttemptsExhausted {
		t.Errorf("FailExhausted: %+v", j)
	}
	ended(t, "FailExhausted", j)

	j = at("theirs", func(j *Job) { ok(j.Cancel(policy, now)) })
	if j.Lease != (Lease{}) || j.Notification.Outcome != "off" || !j.Notification.EndedAt.Equal(now) || j.DueAt != j.ExpiresAt {
		t.Errorf("Cancel: %+v", j)
	}
	j = at("done, their notification failed", func(j *Job) { ok(j.ClaimNotification(policy, "me", now)) })
	if j.Notification.Attempts != 2 || j.Notification.Lease != lease || !j.DueAt.Equal(now.Add(4*policy.Wake)) {
		t.Errorf("ClaimNotification: %+v", j)
	}
	j = at("done, my notification", func(j *Job) { ok(j.RecordNotification(policy, "me", []string{"mail"}, "gave_up", now)) })
	if !slices.Equal(j.Notification.Notified, []string{"mail"}) || j.Notification.Outcome != "gave_up" || !j.Notification.EndedAt.Equal(now) || j.Notification.Lease != (Lease{}) || j.DueAt != j.ExpiresAt {
		t.Errorf("RecordNotification: %+v", j)
	}
	j = at("done, my notification", func(j *Job) { ok(j.RecordNotification(policy, "me", []string{"mail"}, "", now)) })
	if !slices.Equal(j.Notification.Notified, []string{"mail"}) || j.Notification.Outcome != "" || !j.Notification.EndedAt.IsZero() || j.Notification.Lease != (Lease{Until: j.DueAt}) {
		t.Errorf("RecordNotification without outcome: %+v", j)
	}
}

// ended reports whether the end of a job, at now, is recorded.
func ended(t *testing.T, rule string, j Job) {
	t.Helper()
	if j.Lease != (Lease{}) || j.Wakes != 0 || !j.FinishedAt.Equal(now) ||
		!j.ExpiresAt.Equal(now.Add(policy.Retention)) || !j.DueAt.Equal(now.Add(policy.Wake)) || !j.Notification.EndedAt.IsZero() {
		t.Errorf("%s: the end is not recorded: %+v", rule, j)
	}
}

func TestWakesAreSpacedOut(t *testing.T) {
	j := situations()["queued"]
	at := j.DueAt
	for i, want := range []time.Duration{2, 4, 8, 16, 32, 60, 60, 60} {
		if err := j.WakeSent(policy, at.Add(-time.Millisecond)); !errors.Is(err, ErrNotDue) {
			t.Errorf("a wake before it is due: %v, want %v", err, ErrNotDue)
		}
		if err := j.WakeSent(policy, at); err != nil {
			t.Fatal(err)
		}
		if got := j.DueAt.Sub(at); got != want*time.Minute || j.Wakes != i+1 {
			t.Errorf("wake %d of %d: the next in %v, want %v", j.Wakes, i+1, got, want*time.Minute)
		}
		at = j.DueAt
	}
	if got := doubled(time.Second, 1<<62, 1<<30); got <= 0 {
		t.Errorf("a very long delay is %v", got)
	}
}

func TestInstantsAreWholeMilliseconds(t *testing.T) {
	odd := time.Date(2024, 2, 29, 14, 0, 0, 123456789, time.FixedZone("", 7200))
	want := time.Date(2024, 2, 29, 12, 0, 0, 123000000, time.UTC)
	if got := Truncate(odd); got != want {
		t.Errorf("Truncate(%v) = %v, want %v", odd, got, want)
	}
	j := new(Job)
	j.Enqueue(policy, odd)
	if err := j.Claim(policy, "me", odd); err != nil {
		t.Fatal(err)
	}
	if err := j.Complete(policy, "me", File{}, odd); err != nil {
		t.Fatal(err)
	}
	for _, got := range []time.Time{j.CreatedAt, j.StartedAt, j.FinishedAt} {
		if got != want {
			t.Errorf("the record has %v, want %v", got, want)
		}
	}
}

func TestPolicyValidate(t *testing.T) {
	if err := policy.Validate(); err != nil {
		t.Error(err)
	}
	for variable, spoil := range map[string]func(*Policy){
		"MAX_ATTEMPTS": func(p *Policy) { p.MaxAttempts = 0 },
		"MAX_DEATHS":   func(p *Policy) { p.MaxDeaths = 0 },
		"MAX_JOB_AGE":  func(p *Policy) { p.MaxAge = time.Minute },
		"RETRY_MAX":    func(p *Policy) { p.RetryMax = time.Second },
		"LEASE":        func(p *Policy) { p.Lease = time.Millisecond },
		"WAKE_AFTER":   func(p *Policy) { p.Wake = 0 },
		"WAKE_MAX":     func(p *Policy) { p.WakeMax = p.Wake - 1 },
		"RETENTION":    func(p *Policy) { p.Retention = time.Second },

		"KEEP_FAILED_VIDEOS": func(p *Policy) { p.KeepFailed = -1 },
	} {
		p := policy
		spoil(&p)
		if err := p.Validate(); err == nil || err.Error()[:len(variable)] != variable {
			t.Errorf("Validate names %v, want %s", err, variable)
		}
	}
}
