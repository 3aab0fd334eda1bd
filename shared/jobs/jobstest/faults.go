package jobstest

import (
	"context"
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"mp3converter/shared/jobs"
)

// fate is what becomes of a call.
type fate int

const (
	served     fate = iota
	lost            // an error, and no effect
	unanswered      // an error although it took effect
	delayed         // an error, and the effect comes later or never
)

var fates = []fate{served, served, served, served, unanswered, delayed, lost, served, served, served, served}

// fate draws what becomes of a call. The first value is the simplest one.
func (w *world) fate() fate {
	if !w.faults {
		return served
	}
	return rapid.SampledFrom(fates).Draw(w.t, "fate")
}

// create stores a new record.
func (w *world) create(j jobs.Job, k kind) error {
	f := w.fate()
	apply := func() error {
		if r := w.records[j.ID]; r != nil && r.gone {
			return errAway // a write that is late by more than the life of a job
		}
		err := w.store.Create(context.Background(), j)
		switch {
		case err == nil:
			w.logf("job %s of %s created, %s", short(j.ID), j.Owner, k)
			w.records[j.ID] = &record{job: j, kind: k, acceptedAt: j.CreatedAt, drained: map[string]bool{}}
			w.order = append(w.order, j.ID)
		case !errors.Is(err, jobs.ErrExists):
			w.broken(wellFormed, "Create: %v", err)
		}
		return err
	}
	switch f {
	case lost:
		return errAway
	case delayed:
		w.late = append(w.late, lateWrite{w.now.Add(landing), func() { apply() }})
		return errAway
	}
	if err := apply(); err != nil || f == served {
		return err
	}
	return errAway
}

// update applies a rule for the holder of a lease. A delayed update takes effect only if
// the record is still the one that was read.
func (w *world) update(c change, id string, apply func(*jobs.Job) error) (jobs.Job, error) {
	switch f := w.fate(); f {
	case lost:
		return jobs.Job{}, errAway
	case delayed:
		j, err := w.store.Get(context.Background(), id)
		if err != nil {
			return j, err
		}
		revision := j.Revision
		if err := apply(&j); err != nil {
			return jobs.Job{}, err
		}
		c.late = true
		w.late = append(w.late, lateWrite{w.now.Add(landing), func() {
			w.apply(c, id, func(read *jobs.Job) error {
				if read.Revision != revision {
					return jobs.ErrNotDue
				}
				*read = j
				return nil
			})
		}})
		return jobs.Job{}, errAway
	default:
		j, err := w.apply(c, id, apply)
		if err == nil && f == unanswered {
			return jobs.Job{}, errAway
		}
		return j, err
	}
}

func (w *world) apply(c change, id string, apply func(*jobs.Job) error) (jobs.Job, error) {
	j, err := w.store.Update(context.Background(), id, func(j *jobs.Job) error {
		c.before = *j
		return apply(j)
	})
	if err != nil {
		if !refusal(err) {
			w.broken(wellFormed, "Update: %v", err)
		}
		w.logf("%s of %s by %s: %v", c.rule, short(id), short(c.holder), err)
		return j, err
	}
	w.logf("%s of %s by %s: %s", c.rule, short(id), short(c.holder), j.State)
	c.after = j
	w.check(c)
	r := w.records[id]
	r.job = j
	if c.rule == "Drain" {
		r.drained[c.holder] = true
	}
	return j, nil
}

// refusal reports whether err is the answer of a rule or of a store that works.
func refusal(err error) bool {
	return jobs.NothingToDo(err) || errors.Is(err, jobs.ErrExhausted) || errors.Is(err, jobs.ErrNotFailed) || errors.Is(err, jobs.ErrVideoGone)
}

// get and remove read and delete a record.
func (w *world) get(id string) (jobs.Job, error) {
	if f := w.fate(); f != served {
		return jobs.Job{}, errAway
	}
	return w.store.Get(context.Background(), id)
}

func (w *world) remove(id string) error {
	f := w.fate()
	apply := func() {
		if err := w.store.Delete(context.Background(), id); err != nil {
			w.broken(wellFormed, "Delete: %v", err)
		}
		w.logf("job %s deleted", short(id))
		w.records[id].gone = true
	}
	switch f {
	case lost:
		return errAway
	case delayed:
		w.late = append(w.late, lateWrite{w.now.Add(landing), apply})
		return errAway
	}
	apply()
	if f == unanswered {
		return errAway
	}
	return nil
}

// put stores a file, and unlink deletes one.
func (w *world) put(files map[string]*object, id, job string) error {
	f := w.fate()
	if f == served || f == unanswered {
		files[id] = &object{job, w.now}
	}
	if f != served {
		return errAway
	}
	return nil
}

func (w *world) unlink(files map[string]*object, id string) error {
	f := w.fate()
	if f == served || f == unanswered {
		delete(files, id)
	}
	if f != served {
		return errAway
	}
	return nil
}

// wake puts a message on a queue. It may get lost although it is confirmed.
func (w *world) wake(queue, job string) error {
	switch w.fate() {
	case served, unanswered:
		w.queue = append(w.queue, message{queue, job})
	case delayed:
		return errAway
	}
	return nil
}

// advance moves the clock. Late writes take effect before, unless they are lost.
func (w *world) advance(d time.Duration) {
	for i := 0; i < len(w.late); {
		if w.late[i].until.After(w.now.Add(d)) {
			i++
			continue
		}
		if rapid.Bool().Draw(w.t, "lands") {
			w.late[i].apply()
		}
		w.late = slices.Delete(w.late, i, i+1)
	}
	w.now = w.now.Add(d)
}
