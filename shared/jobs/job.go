// Package jobs holds the record of every accepted upload and the rules by
// which it changes. The record is the truth: a message is only a wake-up call,
// and a function that dies loses nothing that the record does not know.
//
// The rules are methods of *Job without any I/O. A Store applies them
// atomically (Store.Update), so each rule is written, and tested, once for all
// the places where records are kept.
package jobs

import (
	"mp3converter/shared/conversion"
	"time"
)

// State is where a job stands. Queued and Converting may repeat; the other
// three are final, and a job enters one of them exactly once.
type State string

const (
	Queued     State = "queued"
	Converting State = "converting"
	Done       State = "done"
	Failed     State = "failed"
	Cancelled  State = "cancelled"
)

// Final reports whether a job in this state never changes state again.
func (s State) Final() bool {
	return s == Done || s == Failed || s == Cancelled
}

// Job is the record of one upload. Times are UTC in whole milliseconds, which
// every store keeps exactly.
type Job struct {
	ID       string `bson:"_id" json:"id"`
	Revision int64  `bson:"revision" json:"revision"` // counts updates; the store's own
	Owner    string `bson:"owner" json:"owner"`       // the subject of the user's tokens
	Email    string `bson:"email" json:"email"`       // where to tell the user; may be ""
	Name     string `bson:"name" json:"name"`         // the upload's file name

	Options conversion.Options `bson:"options" json:"options"`

	State    State               `bson:"state" json:"state"`
	Progress int                 `bson:"progress" json:"progress"` // percent, 0 to 100
	Attempts int                 `bson:"attempts" json:"attempts"` // conversions begun
	Failure  *conversion.Failure `bson:"failure,omitempty" json:"failure,omitempty"`

	Video        File                  `bson:"video" json:"video"`
	Audio        File                  `bson:"audio" json:"audio"` // zero until Done
	MediaInfo    *conversion.MediaInfo `bson:"source,omitempty" json:"source,omitempty"`
	Lease        Lease                 `bson:"lease" json:"lease"`
	Wakes        int                   `bson:"wakes" json:"wakes"` // wake-up calls repeated since the last sign of life
	Notification Notification          `bson:"notice" json:"notice"`

	CreatedAt  time.Time `bson:"createdAt" json:"createdAt"`
	StartedAt  time.Time `bson:"startedAt" json:"startedAt"`   // of the latest attempt
	FinishedAt time.Time `bson:"finishedAt" json:"finishedAt"` // zero until final
	ExpiresAt  time.Time `bson:"expiresAt" json:"expiresAt"`   // zero until final

	// DueAt is when the janitor has to look at the job if nothing happens
	// before: the one place that decides what "stuck" means in each state.
	DueAt time.Time `bson:"dueAt" json:"dueAt"`
}

// File names bytes in a media store.
type File struct {
	ID   string `bson:"id" json:"id"`
	Size int64  `bson:"size" json:"size"` // bytes
}

// Lease is a converter's temporary right to a job.
type Lease struct {
	Holder string    `bson:"holder" json:"holder"` // fresh for every attempt
	Until  time.Time `bson:"until" json:"until"`
}

// Notification is what is known of telling the user.
type Notification struct {
	Lease    Lease     `bson:"lease" json:"lease"`
	Attempts int       `bson:"attempts" json:"attempts"`
	Notified []string  `bson:"told,omitempty" json:"told,omitempty"` // the channels that are done
	EndedAt  time.Time `bson:"at" json:"at"`                         // when it was settled; zero until then
	Outcome  string    `bson:"outcome" json:"outcome"`               // sent, off or gave_up
}
