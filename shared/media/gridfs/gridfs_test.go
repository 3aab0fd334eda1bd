package gridfs

import (
	"testing"

	"mp3converter/shared/media"
	"mp3converter/shared/media/mediatest"
	"mp3converter/shared/mongodb"
	"mp3converter/test/mongotest"
)

func TestContract(t *testing.T) {
	uri := mongotest.URI(t)
	mediatest.Run(t, func(t *testing.T) media.Store {
		s := open(t, uri, mongotest.Database(t))
		s.minSweepAge = 0 // the suite sweeps more than it may
		return s
	})
}

func open(t testing.TB, uri, database string) *Store {
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
