// Package mongotest gives tests a MongoDB: the one that MONGODB_URI names, or
// else FerretDB, which it builds from test/ferretdb and starts on a free port
// of this machine. Nothing else needs to be installed.
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

// URI returns where the MongoDB for tests is, until the test ends. Tests that
// run at the same time share it, so each should keep to names from Database.
func URI(t testing.TB) string {
	t.Helper()
	if uri := os.Getenv("MONGODB_URI"); uri != "" {
		return uri
	}
	uri, err := shared.join()
	if err != nil {
		t.Fatalf("mongotest: set MONGODB_URI to a MongoDB for tests, or make this work: %v", err)
	}
	t.Cleanup(func() {
		if err := shared.leave(); err != nil {
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

// Client returns a connection of the test's own, which closes when the test
// ends.
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
