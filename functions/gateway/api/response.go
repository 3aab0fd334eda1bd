package api

import (
	"encoding/json"
	"net/http"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
)

// jobResponse is a job as its owner sees it.
type jobResponse struct {
	ID         string              `json:"id"`
	State      jobs.State          `json:"state"`
	Name       string              `json:"name"`
	Tag        string              `json:"tag,omitempty"` // the client's own
	Bytes      int64               `json:"bytes"`
	Progress   int                 `json:"progress"`          // percent
	Options    map[string]any      `json:"options,omitempty"` // by the names of the API
	Error      *conversion.Failure `json:"error,omitempty"`
	Source     *sourceResponse     `json:"source,omitempty"`
	Audio      *audioResponse      `json:"audio,omitempty"`
	CreatedAt  time.Time           `json:"createdAt"`
	FinishedAt time.Time           `json:"finishedAt,omitzero"`
	ExpiresAt  time.Time           `json:"expiresAt,omitzero"`

	RetryUntil    time.Time `json:"retryUntil,omitzero"`
	QueuePosition *int      `json:"queuePosition,omitempty"` // jobs that start before
	ExpectedStart time.Time `json:"expectedStart,omitzero"`

	revision    int64
	pausedUntil time.Time
}

type sourceResponse struct {
	Container string  `json:"container"`
	Codec     string  `json:"codec"`
	Seconds   float64 `json:"seconds"`
	Missing   float64 `json:"missingSeconds,omitempty"`
	Rate      int     `json:"sampleRate"`
	Channels  int     `json:"channels"`

	Tracks []conversion.Track `json:"tracks,omitempty"`
	Tags   map[string]string  `json:"tags,omitempty"`
}

type audioResponse struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	URL   string `json:"url"`
}

type jobListResponse struct {
	Jobs []jobResponse `json:"jobs"`
	Next string        `json:"next,omitempty"` // the "before" of the next page
}

func (g *Gateway) newJobResponse(j jobs.Job) jobResponse {
	res := jobResponse{
		ID: j.ID, State: j.State, Name: j.Name, Tag: j.Tag, Bytes: j.Video.Size, Progress: j.Progress,
		Options: conversion.FormatOptions(j.Options), Error: j.Failure,
		CreatedAt: j.CreatedAt, FinishedAt: j.FinishedAt, ExpiresAt: j.ExpiresAt,
		RetryUntil: j.VideoUntil, revision: j.Revision, pausedUntil: j.NotBefore,
	}
	if j.MediaInfo != nil {
		m := j.MediaInfo
		res.Source = &sourceResponse{m.Container, m.Codec, m.Duration.Seconds(), m.Missing.Seconds(), m.SampleRate, m.Channels, m.Tracks, m.Tags}
	}
	if j.State == jobs.Done {
		res.Audio = &audioResponse{j.Audio.ID, j.AudioName(), j.Audio.Size, g.absoluteURL("/jobs/" + j.ID + "/audio")}
	}
	return res
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// Writing fails only if the client is gone.
	json.NewEncoder(w).Encode(v)
	return nil
}
