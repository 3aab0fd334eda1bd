package notify

import (
	"encoding/json"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/conversion"
	"mp3converter/shared/events"
	"mp3converter/shared/jobs"
	"mp3converter/shared/links"
)

// messageData is the data of a message.
type messageData struct {
	Job      string              `json:"job"`
	State    jobs.State          `json:"state"`
	Owner    string              `json:"owner"`
	Name     string              `json:"name"`
	Tag      string              `json:"tag,omitempty"`     // the client's own
	Options  map[string]any      `json:"options,omitempty"` // by the names of the API
	Audio    *messageAudio       `json:"audio,omitempty"`
	Missing  float64             `json:"missingSeconds,omitempty"` // of the announced length
	Error    *conversion.Failure `json:"error,omitempty"`
	Finished time.Time           `json:"finishedAt"`
	Expires  time.Time           `json:"expiresAt"`
}

type messageAudio struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	URL   string `json:"url,omitempty"` // a signed link that ends with the job
}

// message returns the body of a message: a structured CloudEvent whose attributes include
// those of a Standard Webhooks payload. It is the same for every attempt, unless the
// links of the job are revoked or the keys of links change meanwhile. l may be nil.
func message(j jobs.Job, id string, l *links.Links) ([]byte, error) {
	data := messageData{
		Job: j.ID, State: j.State, Owner: j.Owner, Name: j.Name, Tag: j.Tag, Options: conversion.FormatOptions(j.Options),
		Error: j.Failure, Finished: j.FinishedAt, Expires: j.ExpiresAt,
	}
	if j.MediaInfo != nil {
		data.Missing = j.MediaInfo.Missing.Seconds()
	}
	if j.State == jobs.Done {
		data.Audio = &messageAudio{ID: j.Audio.ID, Name: j.AudioName(), Bytes: j.Audio.Size}
		if l != nil {
			data.Audio.URL = l.URL(j, j.ExpiresAt)
		}
	}
	e := events.New(events.JobFinished, "notification", j.ID)
	e.SetID(id)
	e.SetTime(j.FinishedAt)
	e.SetExtension("timestamp", j.FinishedAt)
	if err := e.SetData(cloudevents.ApplicationJSON, data); err != nil {
		return nil, err
	}
	return json.Marshal(e)
}
