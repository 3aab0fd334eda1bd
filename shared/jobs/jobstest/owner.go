package jobstest

import (
	"errors"

	"mp3converter/shared/jobs"
)

// ask starts a request of an owner about one of the jobs that qualify.
func (w *world) ask(request func(p *process, id string), qualifies func(j jobs.Job) bool) {
	var choices []string
	for _, id := range w.order {
		if r := w.records[id]; !r.gone && qualifies(r.job) {
			choices = append(choices, id)
		}
	}
	if len(choices) == 0 {
		w.t.Skip()
	}
	id := draw(w, "job", choices...)
	w.start("owner", func(p *process) { request(p, id) })
}

func anyJob(jobs.Job) bool    { return true }
func failed(j jobs.Job) bool  { return j.State == jobs.Failed }
func hasKept(j jobs.Job) bool { return j.State.Final() && j.NeedsVideo() }

// cancel is the gateway's part of POST /jobs/{id}/cancel.
func (p *process) cancel(id string) {
	j, err := p.update("Cancel", id, func(j *jobs.Job) error { return j.Cancel(policy, p.now) })
	if err == nil {
		p.unlink(p.videos, j.Video.ID)
	}
}

// retry is the gateway's part of POST /jobs/{id}/retry.
func (p *process) retry(id string) {
	if _, err := p.update("RetryFailed", id, func(j *jobs.Job) error { return j.RetryFailed(policy, p.now) }); err == nil {
		p.wake("video", id)
	}
}

// delete is the gateway's part of DELETE /jobs/{id}, with and without cancel=true.
func (p *process) delete(id string) {
	j, err := p.get(id)
	if err != nil {
		return
	}
	if draw(p.world, "cancel=true", false, true) {
		j, err = p.update("Cancel", id, func(j *jobs.Job) error { return j.Cancel(policy, p.now) })
		if errors.Is(err, jobs.ErrFinished) {
			j, err = p.get(id)
		}
	}
	if err == nil && j.State.Final() {
		p.erase(j)
	}
}
