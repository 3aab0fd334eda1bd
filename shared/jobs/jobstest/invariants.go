package jobstest

import (
	"reflect"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
)

// What always holds, in the words of ARCHITECTURE.md.
const (
	oneOutcome    = "A job reaches exactly one of done, failed and cancelled, and its outcome never changes, unless its owner retries a failed one."
	everyJob      = "Every accepted job reaches its outcome once the stores are back."
	oneHolder     = "Only the worker that holds the lease changes an attempt, until the lease expires or the owner cancels the job."
	pauses        = "No attempt starts before the pause after a failed one is over."
	blame         = "What is not the video's fault does not fail a job that was accepted or retried less than MAX_JOB_AGE ago."
	turns         = "While an owner waits, no other owner's attempts start more often than there are workers."
	videosStay    = "The video of a job that is unfinished or may be retried exists."
	mp3sStay      = "The MP3 of a done job exists."
	nothingLeft   = "Once the janitor has run, no other video or MP3 exists."
	toldOnce      = "A channel that has been recorded as notified of an outcome is not used for it again, and a notification has one outcome."
	deliveredOnce = "A message to a webhook keeps its identifier, and is not sent again after it has ended unless its owner asks for it."
	retention     = "A finished job and its files are gone once it has expired, whatever else is the case."
	attention     = "Every record is due within a bounded time."
	wellFormed    = "Every record is well formed."
)

// Invariants lists them.
var Invariants = []string{
	oneOutcome, everyJob, oneHolder, pauses, blame, turns, videosStay, mp3sStay, nothingLeft, toldOnce, deliveredOnce, retention, attention, wellFormed,
}

// change is one change of a record.
type change struct {
	rule          string
	holder        string    // of the process that applies the rule
	at            time.Time // the time with which the rule is applied
	late          bool      // the store applied it after it had returned an error
	before, after jobs.Job
}

// check reports what the change violates.
func (w *world) check(c change) {
	r := w.records[c.after.ID]
	a, b := c.before, c.after
	if !reflect.DeepEqual(a, r.job) {
		w.broken(wellFormed, "the store returned %+v, want %+v", a, r.job)
	}
	if c.rule == "RetryFailed" {
		w.checkRetry(c)
		r.retried(b.RetriedAt)
	} else if a.State.Final() && (b.State != a.State || b.Audio != a.Audio || !reflect.DeepEqual(b.Failure, a.Failure) || b.FinishedAt != a.FinishedAt || b.ExpiresAt != a.ExpiresAt) {
		w.broken(oneOutcome, "%s: %+v became %+v", c.rule, a, b)
	}
	w.checkAttempt(c, r)
	if b.State == jobs.Failed && a.State != jobs.Failed {
		w.checkFailure(c, r)
	}
	if b.Deaths != r.deaths || b.State == jobs.Queued && b.Attempts != r.suspect {
		w.broken(blame, "%s: the record counts %d attempts and %d deaths, not %d and %d", c.rule, b.Attempts, b.Deaths, r.suspect, r.deaths)
	}
	if b.State == jobs.Converting && b.Lease.Holder != a.Lease.Holder {
		if c.at.Before(a.NotBefore) {
			w.broken(pauses, "job %s: claimed at %v, paused until %v", b.ID, c.at, a.NotBefore)
		}
		w.countTurn(b.Owner, c.late)
	}
	if !a.Notification.EndedAt.IsZero() && c.rule != "RetryFailed" && c.rule != "Resend" && !reflect.DeepEqual(a.Notification, b.Notification) {
		w.broken(toldOnce, "%s: an ended notification became %+v", c.rule, b.Notification)
	}
	w.checkDeliveries(c)
	w.checkDue(c)
	if problem := malformed(b); problem != "" {
		w.broken(wellFormed, "%s: %s: %+v", c.rule, problem, b)
	}
}

// checkAttempt checks the end of an attempt, and counts what the rules must have counted.
func (w *world) checkAttempt(c change, r *record) {
	a, b := c.before, c.after
	if a.State != jobs.Converting {
		return
	}
	own := c.holder == a.Lease.Holder
	a.Revision, a.DueAt = b.Revision, b.DueAt // a wake-up that cannot be sent is tried again later
	switch expired := !c.at.Before(a.Lease.Until); {
	case reflect.DeepEqual(a, b) || b.State == jobs.Cancelled || c.rule == "ReleaseDead":
	case !own && !expired:
		w.broken(oneHolder, "%s by %q before the lease of %q expired", c.rule, c.holder, a.Lease.Holder)
	case !own && b.Lease.Holder == a.Lease.Holder:
		w.broken(oneHolder, "%s by %q changed the attempt of %q", c.rule, c.holder, a.Lease.Holder)
	case !own && b.State == jobs.Done:
		w.broken(oneHolder, "%s by %q completed the attempt of %q", c.rule, c.holder, a.Lease.Holder)
	case own && b.State == jobs.Converting && b.Progress < a.Progress:
		w.broken(wellFormed, "%s: progress went from %d to %d", c.rule, a.Progress, b.Progress)
	}
	ended := b.Lease.Holder != a.Lease.Holder
	if ended && !own && b.State != jobs.Cancelled && !r.drained[a.Lease.Holder] {
		r.deaths++
	}
	if ended && own {
		switch c.rule {
		case "Retry":
			r.suspect++
			fallthrough
		case "Postpone":
			if b.State == jobs.Queued && b.NotBefore.Sub(c.at) < 2*time.Second {
				w.broken(pauses, "%s: a pause of %v", c.rule, b.NotBefore.Sub(c.at))
			}
		}
	}
}

// checkFailure checks that the video is to blame, or that the job is old.
func (w *world) checkFailure(c change, r *record) {
	unfit := (r.kind == corrupt || r.kind == heavy) && c.rule == "Fail"
	exhausted := r.suspect >= policy.MaxAttempts || r.deaths >= policy.MaxDeaths
	if !unfit && !exhausted && c.at.Sub(r.acceptedAt) < policy.MaxAge {
		w.broken(blame, "%s failed a %s video after %d attempts and %d deaths: %+v", c.rule, r.kind, r.suspect, r.deaths, c.after)
	}
}

// checkRetry checks that only a failed job whose video is kept is retried, and only in time.
func (w *world) checkRetry(c change) {
	a, b := c.before, c.after
	if a.State != jobs.Failed || b.State != jobs.Queued || !c.at.Before(a.VideoUntil) {
		w.broken(oneOutcome, "%s at %v: %+v became %+v", c.rule, c.at, a, b)
	}
	if b.Attempts != 0 || b.Deaths != 0 || !reflect.DeepEqual(b.Notification, jobs.Notification{}) {
		w.broken(oneOutcome, "%s kept what belongs to the old outcome: %+v", c.rule, b)
	}
}

// countTurn counts an attempt for every other owner who waits, unless no worker knows that it
// has started.
func (w *world) countTurn(owner string, late bool) {
	delete(w.passed, owner)
	for _, other := range w.owners {
		if late || other == owner || !w.waits(other) {
			continue
		}
		if w.passed[other] == nil {
			w.passed[other] = map[string]int{}
		}
		w.passed[other][owner]++
		if n := w.passed[other][owner]; n > workers {
			w.broken(turns, "%d attempts of %s started while %s waited", n, owner, other)
		}
	}
}

// waits reports whether a job of the owner could start.
func (w *world) waits(owner string) bool {
	for _, r := range w.records {
		if j := r.job; !r.gone && j.Owner == owner && j.State == jobs.Queued && !w.now.Before(j.NotBefore) {
			return true
		}
	}
	return false
}

// checkDue checks when the janitor next looks at the job.
func (w *world) checkDue(c change) {
	j := c.after
	limit := c.at.Add(max(policy.WakeMax, policy.Lease, policy.RetryMax))
	if j.State.Final() { // a little after it or its video has expired if it cannot be woken or deleted then
		expires := j.ExpiresAt
		if !j.VideoUntil.IsZero() {
			expires = j.VideoUntil
		}
		limit = c.at.Add(max(expires.Sub(c.at), 0) + time.Minute)
	}
	past := !j.State.Final() && j.DueAt.Before(c.at) && j.DueAt != c.before.DueAt
	if j.DueAt.IsZero() || past || j.DueAt.After(limit) {
		w.broken(attention, "%s at %v: %+v", c.rule, c.at, j)
	}
}

// malformed returns what is wrong with a record.
func malformed(j jobs.Job) string {
	switch {
	case (j.State == jobs.Converting) != (j.Lease != jobs.Lease{}):
		return "a lease without a conversion, or a conversion without a lease"
	case j.Attempts < 0 || j.Attempts > policy.MaxAttempts || j.Deaths < 0 || j.Retries < 0:
		return "a count out of bounds"
	case j.Progress < 0 || j.Progress > 100:
		return "progress out of bounds"
	case (j.State == jobs.Done) != (j.Audio != jobs.File{}):
		return "done without an MP3, or an MP3 in another state"
	case (j.State == jobs.Failed) != (j.Failure != nil):
		return "failed without a failure, or a failure in another state"
	case j.State.Final() == j.FinishedAt.IsZero() || j.State.Final() == j.ExpiresAt.IsZero():
		return "FinishedAt or ExpiresAt missing in a final state, or set in another"
	case !j.VideoUntil.IsZero() && (j.State != jobs.Failed || j.Failure == nil || !j.Failure.Retryable() || j.VideoUntil.After(j.ExpiresAt)):
		return "a video is kept that cannot be retried, or for longer than the job"
	case j.Notification.EndedAt.IsZero() != (j.Notification.Outcome == ""):
		return "EndedAt without an outcome, or an outcome without EndedAt"
	case !j.Notification.EndedAt.IsZero() && (j.Notification.Lease != jobs.Lease{}):
		return "an ended notification is leased"
	}
	return ""
}

// checkFiles checks that no file is missing that a record needs.
func (w *world) checkFiles() {
	for _, id := range w.order {
		r := w.records[id]
		switch {
		case r.gone:
		case r.job.NeedsVideo() && w.videos[r.job.Video.ID] == nil:
			w.broken(videosStay, "job %s is %s", id, r.job.State)
		case r.job.State == jobs.Done && w.audio[r.job.Audio.ID] == nil && !r.erasing:
			w.broken(mp3sStay, "job %s", id)
		}
	}
}

// failureOf is the failure that an attempt at a video of this kind records.
var failureOf = map[kind]*conversion.Failure{corrupt: conversion.Corrupt, heavy: conversion.MemoryLimit, deadly: conversion.AttemptsExhausted}
