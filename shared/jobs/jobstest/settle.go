package jobstest

import (
	"context"
	"time"
)

// settle ends all faults. Every job must reach its outcome, every user be told and every
// file be deleted that nobody needs.
func (w *world) settle() {
	w.advance(landing)
	w.faults = false
	for range 200 {
		w.finishAll()
		if w.quiet() || w.failure != "" {
			break
		}
		w.queue = nil // the janitor alone must do
		w.advance(30 * time.Second)
		w.start("janitor", (*process).janitor)
	}
	for _, id := range w.order {
		r := w.records[id]
		if r.gone {
			continue
		}
		if !r.job.State.Final() || r.job.Notification.EndedAt.IsZero() {
			w.broken(everyJob, "%+v", r.job)
		}
	}
	w.advance(orphanAge + fileAge)
	w.complete(w.start("janitor", (*process).janitor)) // no video is kept any more
	w.start("janitor", (*process).orphans)
	w.finishAll()
	w.checkLeftovers()
	w.advance(policy.Retention)
	w.start("janitor", (*process).janitor)
	w.finishAll()
	left, err := w.store.Due(context.Background(), now.Add(horizon), 1000)
	if err != nil || len(left)+len(w.videos)+len(w.audio) > 0 {
		w.broken(retention, "left: %v, %d jobs, videos %v, MP3s %v", err, len(left), objects(w.videos), objects(w.audio))
	}
}

// finishAll runs all processes and handles all messages.
func (w *world) finishAll() {
	for range 10000 {
		if len(w.running) > 0 {
			w.step(w.running[0])
			continue
		}
		if len(w.queue) == 0 {
			return
		}
		m := w.queue[0]
		w.queue = w.queue[1:]
		w.handle(m)
	}
	w.broken(everyJob, "the processes never end")
}

func (w *world) quiet() bool {
	for _, r := range w.records {
		if !r.gone && (!r.job.State.Final() || r.job.Notification.EndedAt.IsZero()) {
			return false
		}
	}
	return true
}

// checkLeftovers checks that only the MP3s of done jobs are left.
func (w *world) checkLeftovers() {
	w.checkFiles()
	needed := map[string]bool{}
	for _, r := range w.records {
		if !r.gone {
			needed[r.job.Audio.ID] = true
		}
	}
	for _, id := range append(objects(w.videos), objects(w.audio)...) {
		if !needed[id] {
			w.broken(nothingLeft, "%s", id)
		}
	}
}
