package integration

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/client"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	jobsmongo "mp3converter/shared/jobs/mongodb"
	"mp3converter/shared/media"
	"mp3converter/shared/media/gridfs"
	"mp3converter/test/mongotest"
	"mp3converter/test/samples"
)

// testRights compares the roles of the functions in MongoDB with the commands that the
// functions have sent, here and in the tests before. A command that a role does
// not allow would be refused on a cluster; a privilege that no command needs should
// not be there.
func (h *harness) testRights(t *testing.T) {
	h.cancelWhileMP3IsStored(t)
	h.deleteFinished(t)
	h.makeWorkForJanitor(t)
	h.runJanitor(t, "wake")
	for _, start := range []func(){
		func() { h.startFunction(t, "converter") },
		func() { h.startFunction(t, "notification") },
		func() { h.runJanitor(t, "orphans") },
	} {
		h.dropIndexes(t)
		start()
	}

	roles := mongotest.Roles(t)
	for function, r := range h.recorders {
		commands := r.Commands(t)
		for _, c := range rareCommands[function] {
			commands[c] = true
		}
		for _, err := range roles[function].Check(commands) {
			t.Errorf("%s: %v", function, err)
		}
		delete(roles, function)
	}
	for name := range roles {
		t.Errorf("there is a role %s, but no such function", name)
	}
}

// rareCommands are needed but not sent here.
var rareCommands = map[string][]mongotest.Command{
	// Storing a file that takes more than a minute ends with a look at its first chunk.
	// dbStats is not sent to FerretDB.
	// Idempotency keys are deleted with their jobs.
	// A part of a resumable upload fills up the last chunk.
	"gateway": {
		{Name: "find", Database: "videos", Collection: "fs.files"}, {Name: "update", Database: "videos", Collection: "fs.chunks"},
		{Name: "find", Database: "videos", Collection: "fs.chunks"}, {Name: "dbStats", Database: "videos"},
		{Name: "find", Database: "mp3converter", Collection: "turns"}, // while a job is queued
		{Name: "find", Database: "mp3converter", Collection: "keys"},
		{Name: "insert", Database: "mp3converter", Collection: "keys"},
		{Name: "delete", Database: "mp3converter", Collection: "keys"},
	},
	// Users take turns only if several wait.
	"converter": {{Name: "find", Database: "mp3", Collection: "fs.chunks"}, {Name: "find", Database: "mp3converter", Collection: "turns"}},
	// The remains of an interrupted upload are claimed before they are deleted. The
	// turn of a job's owner is kept when the job is deleted.
	"janitor": {
		{Name: "upsert", Database: "mp3converter", Collection: "turns"},
		{Name: "delete", Database: "mp3converter", Collection: "keys"},
		{Name: "insert", Database: "videos", Collection: "fs.files"},
		{Name: "insert", Database: "mp3", Collection: "fs.files"},
	},
}

// dropIndexes makes the next function that starts create the indexes: on an empty
// cluster any of them may be the first.
func (h *harness) dropIndexes(t *testing.T) {
	db := mongotest.Client(t, h.mongodb)
	for database, collections := range map[string][]string{"mp3converter": {"jobs"}, "videos": {"fs.files", "fs.chunks"}, "mp3": {"fs.files", "fs.chunks"}} {
		for _, name := range collections {
			if err := db.Database(database).Collection(name).Indexes().DropAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// cancelWhileMP3IsStored cancels jobs when their MP3 is about to be complete, so that
// the converter deletes the MP3.
func (h *harness) cancelWhileMP3IsStored(t *testing.T) {
	u := h.register(t, "five@example.com")
	var deleted atomic.Bool
	h.recorders["converter"].Before(func(c mongotest.Command) {
		switch c {
		case mongotest.Command{Name: "insert", Database: "mp3", Collection: "fs.files"}:
			u.cancelAll(t)
		case mongotest.Command{Name: "delete", Database: "mp3", Collection: "fs.chunks"}:
			deleted.Store(true)
		}
	})
	defer h.recorders["converter"].Before(nil)
	// An attempt at a job of another test may cancel the job before it is claimed.
	for range 5 {
		j := u.upload(t, samples.Spec{Name: "cancelled.mp4", Seconds: 20})
		h.waitFor(t, "the job is cancelled", janitorDelay, func() bool { return !unfinished(u.job(t, j.ID)) })
		for end := time.Now().Add(janitorDelay); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if deleted.Load() {
				return
			}
		}
	}
	t.Error("the converter has not deleted the MP3 of a cancelled job")
}

// cancelAll cancels the unfinished jobs of the user.
func (u *user) cancelAll(t *testing.T) {
	all, err := u.Jobs(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, j := range all {
		if unfinished(j) {
			if err := u.Cancel(t.Context(), j.ID); err != nil && client.StatusCode(err) != http.StatusConflict {
				t.Error(err)
			}
		}
	}
}

func unfinished(j client.Job) bool { return j.State == "queued" || j.State == "converting" }

func (u *user) delete(t *testing.T, id string) {
	if err := u.Delete(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// deleteFinished downloads an MP3 and deletes its job.
func (h *harness) deleteFinished(t *testing.T) {
	u := h.register(t, "six@example.com")
	j := u.upload(t, samples.Spec{Name: "deleted.mp4"})
	h.waitFor(t, "the job is done", janitorDelay, func() bool { return u.job(t, j.ID).State == "done" })
	h.waitFor(t, "the webhook is called", janitorDelay, func() bool { return h.webhook.count(j.ID) > 0 })
	if status, _ := u.getAudio(t, j.ID, nil); status != http.StatusOK {
		t.Errorf("download: status %d", status)
	}
	u.delete(t, j.ID)
}

// makeWorkForJanitor stores an overdue job, an expired one, and orphans.
func (h *harness) makeWorkForJanitor(t *testing.T) {
	db := mongotest.Client(t, h.mongodb)
	records, err := jobsmongo.Open(t.Context(), db.Database("mp3converter"))
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-48 * time.Hour).UTC().Truncate(time.Millisecond)
	for _, j := range []jobs.Job{
		{ID: id.New(), State: jobs.Queued, Video: jobs.File{ID: id.New()}, CreatedAt: long, DueAt: long},
		{
			ID: id.New(), State: jobs.Done, Video: jobs.File{ID: id.New()}, Audio: jobs.File{ID: id.New()},
			Notification: jobs.Notification{EndedAt: long, Outcome: jobs.NotificationOff},
			CreatedAt:    long, FinishedAt: long, ExpiresAt: long, DueAt: long,
		},
	} {
		if err := records.Create(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	for _, database := range []string{"videos", "mp3"} {
		store, err := gridfs.Open(t.Context(), db.Database(database))
		if err != nil {
			t.Fatal(err)
		}
		orphan := media.Object{ID: id.Before(long), Job: id.New()}
		if _, err := store.Put(t.Context(), orphan, bytes.NewReader([]byte("orphan"))); err != nil {
			t.Fatal(err)
		}
	}
}
