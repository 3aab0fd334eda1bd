package jobstest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"mp3converter/shared/jobs"
)

// memory is the part of a jobs.Store that the model needs.
type memory struct {
	jobs.Store
	records map[string]jobs.Job
	turns   map[string]time.Time // the latest start among deleted jobs, by owner
}

func (s memory) Create(_ context.Context, j jobs.Job) error {
	if _, ok := s.records[j.ID]; ok {
		return jobs.ErrExists
	}
	s.records[j.ID] = j
	return nil
}

func (s memory) Get(_ context.Context, id string) (jobs.Job, error) {
	j, ok := s.records[id]
	if !ok {
		return j, jobs.ErrNotFound
	}
	return j, nil
}

func (s memory) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	j, err := s.Get(ctx, id)
	if err != nil {
		return j, err
	}
	revision := j.Revision
	if err := change(&j); err != nil {
		return jobs.Job{}, err
	}
	j.ID, j.Revision = id, revision+1
	s.records[id] = j
	return j, nil
}

func (s memory) Delete(_ context.Context, id string) error {
	if j := s.records[id]; j.StartedAt.After(s.turns[j.Owner]) {
		s.turns[j.Owner] = j.StartedAt
	}
	delete(s.records, id)
	return nil
}

func (s memory) Due(_ context.Context, now time.Time, limit int) ([]jobs.Job, error) {
	var due []jobs.Job
	for _, j := range s.records {
		if !j.DueAt.After(now) {
			due = append(due, j)
		}
	}
	slices.SortFunc(due, func(a, b jobs.Job) int {
		if c := a.DueAt.Compare(b.DueAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return due[:min(limit, len(due))], nil
}

func (s memory) Next(_ context.Context, now time.Time) (jobs.Job, error) {
	latest := maps.Clone(s.turns) // start, by owner
	for _, j := range s.records {
		if j.StartedAt.After(latest[j.Owner]) {
			latest[j.Owner] = j.StartedAt
		}
	}
	var next jobs.Job
	for _, id := range slices.Sorted(maps.Keys(s.records)) {
		j := s.records[id]
		if j.State == jobs.Queued && !now.Before(j.NotBefore) && (next.ID == "" || latest[j.Owner].Before(latest[next.Owner])) {
			next = j
		}
	}
	if next.ID == "" {
		return next, jobs.ErrNotFound
	}
	return next, nil
}
