package jobstest

import (
	"context"
	"errors"
	"time"

	"mp3converter/shared/jobs"
)

// janitor processes the jobs that are due.
func (p *process) janitor() {
	p.pause()
	expired := p.expired()
	due, err := p.store.Due(context.Background(), p.now, 100)
	if err != nil {
		p.broken(wellFormed, "Due: %v", err)
	}
	for _, j := range due {
		switch {
		case j.State.Final() && !j.ExpiresAt.After(p.now):
			p.erase(j)
		case j.VideoExpired(p.now):
			if j, err := p.update("ExpireVideo", j.ID, func(j *jobs.Job) error { return j.ExpireVideo(policy, p.now) }); err == nil {
				p.unlink(p.videos, j.Video.ID)
			}
		case j.State.Final():
			p.wakeAgain("mp3", j)
		case j.Exhausted(policy, p.now):
			if j, err := p.update("FailExhausted", j.ID, func(j *jobs.Job) error { return j.FailExhausted(policy, p.now) }); err == nil {
				p.finish(j)
			}
		default:
			p.wakeAgain("video", j)
		}
	}
	for _, r := range expired {
		if !r.gone && !p.failed {
			p.broken(retention, "job %s expired at %v, now %v", r.job.ID, r.job.ExpiresAt, p.now)
		}
	}
}

// expired returns the jobs that are due because they have expired.
func (w *world) expired() (found []*record) {
	for _, id := range w.order {
		r := w.records[id]
		if !r.gone && r.job.State.Final() && !r.job.ExpiresAt.After(w.now) && !r.job.DueAt.After(w.now) {
			found = append(found, r)
		}
	}
	return found
}

func (p *process) wakeAgain(queue string, j jobs.Job) {
	if p.wake(queue, j.ID) != nil {
		p.update("postpone the wake-up", j.ID, func(j *jobs.Job) error {
			if j.DueAt.After(p.now) {
				return jobs.ErrNotDue
			}
			j.DueAt = jobs.Truncate(p.now.Add(30 * time.Second))
			return nil
		})
		return
	}
	p.update("WakeSent", j.ID, func(j *jobs.Job) error { return j.WakeSent(policy, p.now) })
}

// orphans deletes the files that no job needs. An attempt may be about to record its MP3,
// so those of a job that is being converted stay.
func (p *process) orphans() {
	orphan := func(files map[string]*object, needed func(j *jobs.Job, id string, age time.Duration) bool) {
		for _, id := range objects(files) {
			o := files[id]
			if o == nil || p.now.Sub(o.created) < fileAge {
				continue
			}
			j, err := p.get(o.job)
			missing := errors.Is(err, jobs.ErrNotFound)
			switch {
			case err != nil && !missing:
			case missing && needed(nil, id, p.now.Sub(o.created)), !missing && needed(&j, id, 0):
			default:
				p.unlink(files, id)
			}
		}
	}
	orphan(p.videos, func(j *jobs.Job, id string, age time.Duration) bool {
		if j == nil {
			return age < orphanAge
		}
		return j.NeedsVideo()
	})
	orphan(p.audio, func(j *jobs.Job, id string, _ time.Duration) bool {
		return j != nil && (j.Audio.ID == id || j.State == jobs.Converting)
	})
}

// restart is the start of a process that runs the whole service: no other process runs.
func (w *world) restart() {
	for len(w.running) > 0 {
		w.end(w.running[0])
	}
	w.queue, w.late = nil, nil
	faults := w.faults
	w.faults = false
	for _, id := range w.order {
		r := w.records[id]
		if r.gone || r.job.State.Final() {
			continue
		}
		w.update(change{rule: "ReleaseDead", at: jobs.Truncate(w.now)}, id, func(j *jobs.Job) error {
			if err := j.ReleaseDead(policy, w.now); !errors.Is(err, jobs.ErrLeaseLost) {
				return err
			}
			return nil
		})
		w.wake("video", id)
	}
	w.faults = faults
}
