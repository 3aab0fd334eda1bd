// Package mongotest provides a MongoDB for tests: the one at MONGODB_URI, or
// FerretDB, which it builds from test/ferretdb and starts on a free port. Nothing
// else needs to be installed.
package mongotest

import (
	"context"
	"crypto/rand"
	"os"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// URI returns the address of a MongoDB that is available until the test ends. Tests
// share it, so each should only use databases from Database.
func URI(t testing.TB) string {
	t.Helper()
	if uri := os.Getenv("MONGODB_URI"); uri != "" {
		return uri
	}
	uri, err := shared.acquire()
	if err != nil {
		t.Fatalf("mongotest: MONGODB_URI is not set and FerretDB did not start: %v", err)
	}
	t.Cleanup(func() {
		if err := shared.release(); err != nil {
			t.Errorf("mongotest: %v", err)
		}
	})
	return uri
}

// Database returns the name of a database that no other test uses. It is
// dropped when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	client := Client(t, URI(t))
	name := "test_" + rand.Text()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := client.Database(name).Drop(ctx); err != nil {
			t.Errorf("mongotest: drop %s: %v", name, err)
		}
	})
	return name
}

// Client returns a new client, which is closed when the test ends.
func Client(t testing.TB, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatalf("mongotest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := client.Disconnect(ctx); err != nil {
			t.Errorf("mongotest: disconnect: %v", err)
		}
	})
	return client
}
