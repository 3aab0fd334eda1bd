package service

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
)

// leftover is something that no job needs.
type leftover struct {
	what    string
	created time.Time // zero if unknown
	doubled bool      // an MP3 of a job that has another one
}

// manyObjects is more than the tests make.
const manyObjects = 10000

// leftovers looks for everything that no job needs, in all stores.
func (s *Service) leftovers(ctx context.Context) ([]leftover, error) {
	var found []leftover
	records, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	for id, j := range records {
		if !j.State.Final() {
			found = append(found, leftover{what: fmt.Sprintf("a record that is %s: %+v", j.State, j), created: idTime(id)})
		}
	}
	future := time.Now().Add(time.Hour)
	for _, store := range []struct {
		name  string
		media media.Store
		needs func(jobs.Job) string
	}{
		{"video", s.Videos, func(j jobs.Job) string {
			if !j.NeedsVideo() {
				return ""
			}
			return j.Video.ID
		}},
		{"MP3", s.Audio, func(j jobs.Job) string { return j.Audio.ID }},
	} {
		objects, err := store.media.List(ctx, future, "", manyObjects)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if j := records[o.Job]; store.needs(j) != o.ID {
				found = append(found, leftover{fmt.Sprintf("%s %s of job %s, which is %q", store.name, o.ID, o.Job, j.State), idTime(o.ID), j.Audio.ID != "" && store.name == "MP3"})
			}
		}
	}
	files, err := s.tempFiles()
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		found = append(found, leftover{what: "temporary file " + name})
	}
	if n, err := s.queued(); err != nil {
		return nil, err
	} else if n > 0 {
		found = append(found, leftover{what: fmt.Sprintf("%d messages", n)})
	}
	return found, nil
}

// incomplete looks for the remains of interrupted writes, and deletes them.
func (s *Service) incomplete(ctx context.Context) ([]leftover, error) {
	var found []leftover
	for name, store := range map[string]media.Store{"videos": s.Videos, "MP3s": s.Audio} {
		n, err := store.Sweep(ctx, time.Now().Add(time.Hour), nil)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			found = append(found, leftover{what: fmt.Sprintf("%d incomplete objects beside the %s", n, name)})
		}
	}
	return found, nil
}

// records returns all records by their identifiers.
func (s *Service) records(ctx context.Context) (map[string]jobs.Job, error) {
	all, err := s.Jobs.Due(ctx, time.Now().Add(100*365*24*time.Hour), manyObjects)
	if err != nil {
		return nil, err
	}
	records := map[string]jobs.Job{}
	for _, j := range all {
		records[j.ID] = j
	}
	return records, nil
}

// idTime returns when an identifier was made.
func idTime(id string) time.Time {
	b, err := hex.DecodeString(id[:8])
	if err != nil {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint32(b)), 0)
}
