package jobstest

import (
	"errors"
	"iter"
	"slices"
	"time"

	"pgregory.net/rapid"

	"mp3converter/shared/jobs"
)

// process is a process of the service at work on one thing. It stops before every call of a
// store or queue, so that the model can run other processes in between, let time pass, or
// kill it.
type process struct {
	*world
	kind     string    // "upload", "convert", "notify", "janitor", "owner"
	holder   string    // of the lease that it has
	ended    time.Time // when its attempt ended; zero before
	draining bool      // it is asked to stop
	stopping bool      // it must stop now
	failed   bool      // a call failed
	pause    func()
	resume   func() (struct{}, bool)
	kill     func()
}

var errKilled = errors.New("killed")

func (w *world) start(kind string, run func(p *process)) *process {
	p := &process{world: w, kind: kind}
	p.resume, p.kill = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil && r != errKilled {
				panic(r)
			}
		}()
		p.pause = func() {
			if !yield(struct{}{}) {
				panic(errKilled)
			}
		}
		run(p)
	})
	w.running = append(w.running, p)
	return p
}

// step runs the process up to its next call.
func (w *world) step(p *process) {
	w.now = w.now.Add(time.Millisecond)
	if _, more := p.resume(); !more {
		w.running = slices.DeleteFunc(w.running, func(q *process) bool { return q == p })
	}
}

// end kills the process.
func (w *world) end(p *process) {
	p.kill()
	w.running = slices.DeleteFunc(w.running, func(q *process) bool { return q == p })
}

// try makes a call and remembers whether it failed.
func (p *process) try(call func() error) error {
	p.pause()
	err := call()
	if err != nil && !refusal(err) && !errors.Is(err, jobs.ErrExists) {
		p.failed = true
	}
	return err
}

func (p *process) update(rule, id string, apply func(*jobs.Job) error) (j jobs.Job, err error) {
	err = p.try(func() error {
		at := p.now
		if !p.ended.IsZero() {
			at = p.ended
		}
		j, err = p.world.update(change{rule: rule, holder: p.holder, at: jobs.Truncate(at)}, id, apply)
		return err
	})
	return j, err
}

func (p *process) get(id string) (j jobs.Job, err error) {
	err = p.try(func() error { j, err = p.world.get(id); return err })
	return j, err
}

func (p *process) wake(queue, job string) error {
	return p.try(func() error { return p.world.wake(queue, job) })
}

func (p *process) unlink(files map[string]*object, id string) error {
	return p.try(func() error { return p.world.unlink(files, id) })
}

// upload is the gateway's part.
func (p *process) upload(owner string, k kind) {
	j := jobs.Job{ID: p.newID(), Owner: owner, Email: owner + "@example.com", Name: "video.mp4", Video: jobs.File{ID: p.newID(), Size: 1}}
	if p.try(func() error { return p.put(p.videos, j.Video.ID, j.ID) }) != nil {
		return
	}
	stored := p.now
	j.Enqueue(policy, p.now)
	for range 3 {
		err := p.try(func() error {
			if p.now.Sub(stored) > orphanAge/2 {
				return errAway // the time limits of the upload are over
			}
			return p.create(j, k)
		})
		if errors.Is(err, jobs.ErrExists) {
			_, err = p.update("confirm", j.ID, func(*jobs.Job) error { return nil })
		}
		if err == nil {
			p.records[j.ID].accepted = true
			p.wake("video", j.ID)
			return
		}
	}
}

// erase is jobs.Erase.
func (p *process) erase(j jobs.Job) {
	if !j.VideoUntil.IsZero() {
		var err error
		if j, err = p.update("GiveUpVideo", j.ID, (*jobs.Job).GiveUpVideo); err != nil {
			return
		}
	}
	p.records[j.ID].erasing = true
	if p.unlink(p.videos, j.Video.ID) != nil || j.Audio.ID != "" && p.unlink(p.audio, j.Audio.ID) != nil {
		return
	}
	p.try(func() error { return p.remove(j.ID) })
}

// notify is the notification function's part.
func (p *process) notify(id string) {
	const maxAttempts = 3
	p.holder = p.newID()
	j, err := p.update("ClaimNotification", id, func(j *jobs.Job) error {
		if err := j.ClaimNotification(policy, p.holder, p.now); err != nil {
			return err
		}
		j.OpenDeliveries([]jobs.Delivery{{ID: p.holder, Target: jobs.TargetUser}}, p.now)
		return nil
	})
	if err != nil {
		return
	}
	done, failed := slices.Clone(j.Notification.Notified), false
	for _, channel := range []string{"mail", "webhook"} {
		if slices.Contains(done, channel) {
			continue
		}
		if p.send(j, channel) {
			done = append(done, channel)
		} else {
			failed = true
		}
	}
	results := p.deliver(j)
	outcome := jobs.NotificationSent
	switch {
	case failed && j.Notification.Attempts < maxAttempts:
		outcome = ""
	case failed:
		outcome = jobs.NotificationGaveUp
	}
	_, err = p.update("RecordNotification", id, func(j *jobs.Job) error {
		if err := j.RecordDeliveries(p.holder, results, deliveryPeriod, p.now); err != nil {
			return err
		}
		return j.RecordNotification(policy, p.holder, done, outcome, p.now)
	})
	if err == nil && p.records[id].job.RetriedAt.Equal(j.RetriedAt) {
		p.records[id].told = done
	}
}

// send uses a channel and reports whether it confirmed. It does not if the lease is over.
func (p *process) send(j jobs.Job, channel string) bool {
	p.pause()
	if !p.now.Before(j.Notification.Lease.Until) {
		return false
	}
	f := p.fate()
	r := p.records[j.ID]
	sameOutcome := r.job.RetriedAt.Equal(j.RetriedAt)
	if f != lost && sameOutcome && (slices.Contains(r.told, channel) || !r.job.Notification.EndedAt.IsZero()) && !r.gone {
		p.broken(toldOnce, "%s of job %s, after %v: %+v", channel, j.ID, r.told, r.job.Notification)
	}
	return f == served
}

// draw returns a random element of choices.
func draw[T any](w *world, what string, choices ...T) T {
	return rapid.SampledFrom(choices).Draw(w.t, what)
}
