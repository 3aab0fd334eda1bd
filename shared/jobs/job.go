// Package jobs holds the record of every accepted upload and the rules by which it
// changes. The record is the truth and a message is only a wake-up, so a lost
// message or a dead process loses nothing.
//
// The rules are methods of *Job without I/O. A Store applies them atomically with
// Store.Update, so each rule is written and tested once for all stores.
package jobs

import (
	"time"

	"mp3converter/shared/conversion"
)

// State is the state of a job. Uploading comes first, if a record exists before its video
// is complete. Queued and Converting may repeat; the other three are final, and a job
// enters one of them exactly once, unless its owner retries a failed one (see RetryFailed).
type State string

const (
	Uploading  State = "uploading" // not a job yet: users do not see it
	Queued     State = "queued"
	Converting State = "converting"
	Done       State = "done"
	Failed     State = "failed"
	Cancelled  State = "cancelled"
)

// Final reports whether a job in this state has ended: only RetryFailed changes its state.
func (s State) Final() bool {
	return s == Done || s == Failed || s == Cancelled
}

// Job is the record of one upload. Times are UTC in whole milliseconds, which every
// store represents exactly.
type Job struct {
	ID       string `bson:"_id" json:"id"`
	Revision int64  `bson:"revision" json:"revision"` // number of updates; set by the store
	Owner    string `bson:"owner" json:"owner"`       // the subject of the user's tokens
	Email    string `bson:"email" json:"email"`       // for notifications; may be ""
	Name     string `bson:"name" json:"name"`         // the upload's file name

	Options conversion.Options `bson:"options" json:"options"`
	Tag     string             `bson:"tag,omitempty" json:"tag,omitempty"` // the client's own; may be ""

	// IdempotencyKey is the key of the request that created the job, or "". It is unique
	// among the jobs of the owner. BodyDigest identifies what the request contained.
	IdempotencyKey string `bson:"idempotencyKey,omitempty" json:"idempotencyKey,omitempty"`
	BodyDigest     string `bson:"bodyDigest,omitempty" json:"bodyDigest,omitempty"`

	State    State               `bson:"state" json:"state"`
	Progress int                 `bson:"progress" json:"progress"` // percent, 0 to 100
	Attempts int                 `bson:"attempts" json:"attempts"` // that the video may have ended, and the present one
	Deaths   int                 `bson:"deaths" json:"deaths"`     // workers that died during an attempt
	Retries  int                 `bson:"retries" json:"retries"`   // pauses so far
	Failure  *conversion.Failure `bson:"failure,omitempty" json:"failure,omitempty"`

	Video        File                  `bson:"video" json:"video"`
	Audio        File                  `bson:"audio" json:"audio"` // zero until Done
	MediaInfo    *conversion.MediaInfo `bson:"source,omitempty" json:"source,omitempty"`
	Lease        Lease                 `bson:"lease" json:"lease"`
	Wakes        int                   `bson:"wakes" json:"wakes"` // wake-ups repeated since the last claim or outcome
	Notification Notification          `bson:"notice" json:"notice"`
	NotifyURL    string                `bson:"notifyURL,omitempty" json:"notifyURL,omitempty"`   // receives a webhook; may be ""
	Deliveries   []Delivery            `bson:"deliveries,omitempty" json:"deliveries,omitempty"` // at most one for each target

	// LinkEpoch is in every signed link to the MP3; another number revokes them all.
	LinkEpoch int64 `bson:"linkEpoch,omitempty" json:"linkEpoch,omitempty"`

	// NotBefore is when the pause after a failed attempt ends. No attempt starts
	// before.
	NotBefore time.Time `bson:"notBefore" json:"notBefore"`

	CreatedAt  time.Time `bson:"createdAt" json:"createdAt"`
	StartedAt  time.Time `bson:"startedAt" json:"startedAt"`   // of the latest attempt
	FinishedAt time.Time `bson:"finishedAt" json:"finishedAt"` // zero until final
	ExpiresAt  time.Time `bson:"expiresAt" json:"expiresAt"`   // zero until final

	// Resumable is set if the upload is, or was, resumable.
	Resumable *Resumable `bson:"resumable,omitempty" json:"resumable,omitempty"`

	// VideoUntil is until when the video of a failed job is kept; zero if it is not kept.
	VideoUntil time.Time `bson:"videoUntil,omitempty" json:"videoUntil,omitzero"`

	// RetriedAt is when the owner last retried the failed job; zero if never.
	RetriedAt time.Time `bson:"retriedAt,omitempty" json:"retriedAt,omitzero"`

	// DueAt is when the janitor processes the job if nothing else happens
	// first. It alone defines what "stuck" means in each state.
	DueAt time.Time `bson:"dueAt" json:"dueAt"`
}

// File refers to an object in a media store.
type File struct {
	ID   string `bson:"id" json:"id"`
	Size int64  `bson:"size" json:"size"` // bytes
}

// Lease is the temporary exclusive right to a job of a worker or, in the state Uploading,
// of a request.
type Lease struct {
	Holder   string    `bson:"holder" json:"holder"` // fresh for every attempt
	Until    time.Time `bson:"until" json:"until"`
	Draining bool      `bson:"draining,omitempty" json:"draining,omitempty"` // the worker is about to stop
	Wanted   bool      `bson:"wanted,omitempty" json:"wanted,omitempty"`     // another request waits for the upload
}

// Outcomes of a notification.
const (
	NotificationSent   = "sent"    // at least one channel was used
	NotificationOff    = "off"     // no channel applies
	NotificationGaveUp = "gave_up" // attempts exhausted
)

// Notification is the state of notifying the user.
type Notification struct {
	Lease    Lease     `bson:"lease" json:"lease"`
	Attempts int       `bson:"attempts" json:"attempts"`
	Notified []string  `bson:"told,omitempty" json:"told,omitempty"` // channels that are done
	EndedAt  time.Time `bson:"at" json:"at"`                         // zero until the outcome is known
	Outcome  string    `bson:"outcome" json:"outcome"`               // one of the constants above; "" until then
}
