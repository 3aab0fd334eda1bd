package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

const (
	pageSize    = 50
	maxPageSize = 200
)

// view is a job as its owner sees it.
type view struct {
	ID         string              `json:"id"`
	State      jobs.State          `json:"state"`
	Name       string              `json:"name"`
	Bytes      int64               `json:"bytes"`
	Progress   int                 `json:"progress"` // percent
	Options    conversion.Options  `json:"options,omitzero"`
	Error      *conversion.Failure `json:"error,omitempty"`
	Source     *sourceView         `json:"source,omitempty"`
	Audio      *audioView          `json:"audio,omitempty"`
	CreatedAt  time.Time           `json:"createdAt"`
	FinishedAt time.Time           `json:"finishedAt,omitzero"`
	ExpiresAt  time.Time           `json:"expiresAt,omitzero"`
}

type audioView struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	URL   string `json:"url"`
}

type sourceView struct {
	Container string  `json:"container"`
	Codec     string  `json:"codec"`
	Seconds   float64 `json:"seconds"`
	Rate      int     `json:"sampleRate"`
	Channels  int     `json:"channels"`

	Tracks []conversion.Track `json:"tracks,omitempty"`
	Tags   map[string]string  `json:"tags,omitempty"`
}

func viewOf(j jobs.Job) view {
	v := view{
		ID: j.ID, State: j.State, Name: j.Name, Bytes: j.Video.Size, Progress: j.Progress, Options: j.Options, Error: j.Failure,
		CreatedAt: j.CreatedAt, FinishedAt: j.FinishedAt, ExpiresAt: j.ExpiresAt,
	}
	if j.MediaInfo != nil {
		s := j.MediaInfo
		v.Source = &sourceView{s.Container, s.Codec, s.Duration.Seconds(), s.Rate, s.Channels, s.Tracks, s.Tags}
	}
	if j.State == jobs.Done {
		v.Audio = &audioView{j.Audio.ID, j.AudioName(), j.Audio.Size, "/jobs/" + j.ID + "/audio"}
	}
	return v
}

// list answers with the user's jobs, newest first; "next" is the "before" of
// the following page.
func (g *Gateway) list(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	q := r.URL.Query()
	limit := pageSize
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPageSize {
			return problem.BadRequest.WithDetail("limit must be a number from 1 to %d.", maxPageSize)
		}
		limit = n
	}
	before := q.Get("before")
	if before != "" && !id.Valid(before) {
		return problem.BadRequest.WithDetail("before must be the id of a job.")
	}
	found, err := g.Jobs.List(r.Context(), user.Subject, before, limit+1)
	if err != nil {
		return problem.Unavailable.WithCause(err)
	}
	page := struct {
		Jobs []view `json:"jobs"`
		Next string `json:"next,omitempty"`
	}{Jobs: []view{}}
	if len(found) > limit {
		found = found[:limit]
		page.Next = found[limit-1].ID
	}
	for _, j := range found {
		page.Jobs = append(page.Jobs, viewOf(j))
	}
	return reply(w, http.StatusOK, page)
}

// show tells how a job stands; "wait" keeps the answer until it is finished.
func (g *Gateway) show(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.await(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, viewOf(j))
}

// remove cancels a job that is not finished, whose record stays until it
// expires, and deletes a finished one with its MP3.
func (g *Gateway) remove(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.own(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), settle)
	defer cancel()
	cancelled, err := g.Jobs.Update(ctx, j.ID, func(j *jobs.Job) error {
		return j.Cancel(g.Config.Policy, time.Now())
	})
	switch {
	case err == nil:
		g.discard(ctx, cancelled.Video.ID)
	case errors.Is(err, jobs.ErrFinished):
		if err := g.erase(ctx, j.ID); err != nil {
			return problem.Unavailable.WithCause(err)
		}
	case errors.Is(err, jobs.ErrNotFound): // deleted meanwhile: as wished
	default:
		return problem.Unavailable.WithCause(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// erase reads the job again: it may have got its MP3 since.
func (g *Gateway) erase(ctx context.Context, job string) error {
	j, err := g.Jobs.Get(ctx, job)
	if errors.Is(err, jobs.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return jobs.Erase(ctx, g.Jobs, g.Videos, g.Audio, j)
}
