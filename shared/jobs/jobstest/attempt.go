package jobstest

import (
	"context"
	"errors"

	"mp3converter/shared/jobs"
)

// convert is the converter's part. The event names a job.
func (p *process) convert(named string) {
	j, err := p.claim(named)
	if err != nil {
		if !jobs.NothingToDo(err) {
			p.queue = append(p.queue, message{"video", named}) // 503: delivered again
		}
		return
	}
	rule, audio, apply := p.attempt(j)
	if apply == nil {
		return // the lease is lost
	}
	for {
		after, err := p.update(rule, j.ID, apply)
		switch {
		case err == nil && after.State.Final():
			p.finish(after)
			return
		case err == nil:
			return
		case jobs.NothingToDo(err):
			p.recorded(j.ID, audio)
			return
		case p.stopping:
			return
		}
	}
}

// claim claims the job whose turn it is, or else the named one.
func (p *process) claim(named string) (jobs.Job, error) {
	for range 5 {
		var next jobs.Job
		err := p.try(func() (err error) {
			if p.fate() != served {
				return errAway
			}
			next, err = p.store.Next(context.Background(), p.now)
			return err
		})
		switch {
		case errors.Is(err, jobs.ErrNotFound):
			return p.claimJob(named)
		case err != nil:
			return next, err
		}
		if j, err := p.claimJob(next.ID); !jobs.NothingToDo(err) {
			return j, err
		}
	}
	return jobs.Job{}, errAway
}

func (p *process) claimJob(id string) (jobs.Job, error) {
	p.holder = p.newID()
	j, err := p.update("Claim", id, func(j *jobs.Job) error { return j.Claim(policy, p.holder, p.now) })
	if errors.Is(err, jobs.ErrExhausted) {
		j, err = p.update("FailExhausted", id, func(j *jobs.Job) error { return j.FailExhausted(policy, p.now) })
		if err == nil {
			p.finish(j)
			err = jobs.ErrFinished
		}
	}
	return j, err
}

// attempt converts a video and returns the rule that records the outcome. The rule is nil
// if the lease is lost.
func (p *process) attempt(j jobs.Job) (rule string, audio jobs.File, apply func(*jobs.Job) error) {
	rule, lost := p.convertVideo(j, &audio)
	if lost {
		return "", audio, nil
	}
	p.ended = p.now
	at, k := p.now, p.records[j.ID].kind
	return rule, audio, map[string]func(*jobs.Job) error{
		"Complete": func(j *jobs.Job) error { return j.Complete(policy, p.holder, audio, at) },
		"Fail":     func(j *jobs.Job) error { return j.Fail(policy, p.holder, failureOf[k], at) },
		"Retry":    func(j *jobs.Job) error { return j.Retry(policy, p.holder, failureOf[k], at) },
		"Postpone": func(j *jobs.Job) error { return j.Postpone(policy, p.holder, at) },
		"Release":  func(j *jobs.Job) error { return j.Release(policy, p.holder, at) },
	}[rule]
}

// convertVideo renews the lease for a while, converts the video and stores the MP3.
func (p *process) convertVideo(j jobs.Job, audio *jobs.File) (rule string, lost bool) {
	leasedUntil := p.now.Add(policy.Lease)
	for draw(p.world, "the attempt goes on", false, true) {
		renewed := p.now
		switch err := p.renew(j.ID); {
		case err == nil:
			leasedUntil = renewed.Add(policy.Lease)
		case jobs.NothingToDo(err):
			return "", true
		case p.now.After(leasedUntil):
			return "Postpone", false
		}
		if p.stopping {
			return "Release", false
		}
	}
	switch k := p.records[j.ID].kind; {
	case p.faults && draw(p.world, "a store is away", false, false, false, true):
		return "Postpone", false
	case k == corrupt, k == heavy && draw(p.world, "over the limit", true, true, false):
		return "Fail", false
	case k == deadly:
		return "Retry", false
	}
	file := jobs.File{ID: p.newID(), Size: 1}
	if p.try(func() error { return p.put(p.audio, file.ID, j.ID) }) != nil {
		return "Postpone", false
	}
	*audio = file
	return "Complete", false
}

// renew is one heartbeat.
func (p *process) renew(id string) error {
	rule, draining := "Renew", p.draining
	if draining {
		rule = "Drain"
	}
	progress := draw(p.world, "progress", 0, 50, 100, 140)
	_, err := p.update(rule, id, func(j *jobs.Job) error {
		if draining {
			j.Drain(p.holder)
		}
		return j.Renew(policy, p.holder, progress, p.now)
	})
	return err
}

// recorded handles a refused outcome.
func (p *process) recorded(id string, audio jobs.File) {
	j, err := p.get(id)
	switch {
	case err != nil && !errors.Is(err, jobs.ErrNotFound):
	case err == nil && j.State.Final() && j.Audio.ID == audio.ID:
		p.finish(j)
	case audio.ID != "":
		p.unlink(p.audio, audio.ID)
	}
}

// finish deletes the video of a finished job, unless it may be retried, and wakes the
// notification function.
func (p *process) finish(j jobs.Job) {
	if !j.NeedsVideo() {
		p.unlink(p.videos, j.Video.ID)
	}
	p.wake("mp3", j.ID)
}
