package mongodb

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/jobstest"
	"mp3converter/shared/mongodb"
	"mp3converter/test/mongotest"
)

func TestContract(t *testing.T) {
	uri := mongotest.URI(t)
	jobstest.Run(t, func(t *testing.T) jobs.Store {
		return open(t, uri, mongotest.Database(t))
	})
}

func TestModel(t *testing.T) {
	jobstest.RunModel(t, open(t, mongotest.URI(t), mongotest.Database(t)), 20)
}

func TestTwoStoresOfOneCollection(t *testing.T) {
	uri, database := mongotest.URI(t), mongotest.Database(t)
	jobstest.RunConcurrent(t, open(t, uri, database), open(t, uri, database))
}

func TestOpenAgain(t *testing.T) {
	uri, database := mongotest.URI(t), mongotest.Database(t)
	j := fresh(t, open(t, uri, database))
	if _, err := open(t, uri, database).Get(t.Context(), j.ID); err != nil {
		t.Errorf("Get by a second store: %v", err)
	}
}

func TestIndexes(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	specs, err := s.jobs.Indexes().ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, spec := range specs {
		var keys bson.D
		if err := bson.Unmarshal(spec.KeysDocument, &keys); err != nil {
			t.Fatal(err)
		}
		got[keys.String()] = true
	}
	for _, want := range []string{
		`{"owner":{"$numberInt":"1"},"_id":{"$numberInt":"-1"}}`,
		`{"owner":{"$numberInt":"1"},"tag":{"$numberInt":"1"},"_id":{"$numberInt":"-1"}}`,
		`{"dueAt":{"$numberInt":"1"}}`,
		`{"state":{"$numberInt":"1"},"createdAt":{"$numberInt":"1"}}`,
	} {
		if !got[want] {
			t.Errorf("no index on %s among %v", want, got)
		}
	}
}

// After a conflict the change is applied to the other writer's record.
func TestUpdateAfterConflict(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	j := fresh(t, s)
	var seen []int
	got, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error {
		seen = append(seen, j.Wakes)
		if len(seen) <= 3 {
			wake(t, s, j.ID)
		}
		j.Attempts++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 4 || seen[3] != 3 {
		t.Errorf("the change saw %v wakes, want 0, 1, 2 and 3", seen)
	}
	if got.Wakes != 3 || got.Attempts != 1 || got.Revision != 4 {
		t.Errorf("%d wakes, %d attempts, revision %d; want 3, 1, 4", got.Wakes, got.Attempts, got.Revision)
	}
}

func TestUpdateOfDeletedJob(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	j := fresh(t, s)
	_, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error { return s.Delete(t.Context(), j.ID) })
	if !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Update: %v, want %v", err, jobs.ErrNotFound)
	}
}

// An update that always conflicts ends with its context.
func TestUpdateEndsWithItsContext(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	j := fresh(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := s.Update(ctx, j.ID, func(j *jobs.Job) error {
		wake(t, s, j.ID)
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Update: %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestOpenWithoutServer(t *testing.T) {
	client, err := mongodb.Connect("mongodb://127.0.0.1:1/")
	if err != nil {
		t.Fatal(err)
	}
	defer mongodb.Close(client)
	begun := time.Now()
	if _, err := Open(t.Context(), client.Database("jobs")); err == nil {
		t.Fatal("Open succeeds without a server")
	}
	if took := time.Since(begun); took > 4*mongodb.ConnectTimeout {
		t.Errorf("Open took %v to fail", took)
	}
}

// While the server is down calls fail soon; after its restart they succeed.
func TestServerKilled(t *testing.T) {
	server := mongotest.Start(t)
	s := open(t, server.URI, "killed")
	j := fresh(t, s)
	wake(t, s, j.ID)

	server.Kill(t)
	begun := time.Now()
	if _, err := s.Get(t.Context(), j.ID); err == nil || errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Get from a dead server: %v, want a connection error", err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping of a dead server succeeds")
	}
	if took := time.Since(begun); took > 5*mongodb.ConnectTimeout {
		t.Errorf("two calls took %v to fail", took)
	}

	server.Restart(t)
	wake(t, s, j.ID)
	got, err := s.Get(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Wakes != 2 {
		t.Errorf("%d wakes after the restart, want 2", got.Wakes)
	}
}

// Now is the server's clock, by the measured offset.
func TestNow(t *testing.T) {
	s := open(t, mongotest.URI(t), mongotest.Database(t))
	s.clock.offset.Store(int64(-time.Hour))
	if ahead := time.Until(s.Now()); ahead > -59*time.Minute || ahead < -61*time.Minute {
		t.Errorf("Now is %v ahead of this machine's clock, want an hour behind, as the server's", ahead)
	}
	// The offset is measured again, here with a server on the same machine.
	if err := s.clock.measure(t.Context(), s.jobs.Database()); err != nil {
		t.Fatal(err)
	}
	if skew := time.Until(s.Now()).Abs(); skew > 10*time.Second {
		t.Errorf("after the measurement Now differs by %v from the clock of the machine", skew)
	}
}

func open(t *testing.T, uri, database string) *Store {
	t.Helper()
	client, err := mongodb.Connect(uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mongodb.Close(client); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(t.Context(), client.Database(database))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fresh(t *testing.T, s *Store) jobs.Job {
	t.Helper()
	j := jobs.Job{ID: id.New(), Owner: "ann"}
	if err := s.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return j
}

func wake(t *testing.T, s *Store, id string) {
	t.Helper()
	if _, err := s.Update(t.Context(), id, func(j *jobs.Job) error { j.Wakes++; return nil }); err != nil {
		t.Fatal(err)
	}
}
