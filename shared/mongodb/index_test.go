package mongodb_test

import (
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mp3converter/shared/mongodb"
	"mp3converter/test/mongotest"
)

// Concurrent and repeated calls succeed and create each index once.
func TestEnsureIndexes(t *testing.T) {
	uri, database := mongotest.URI(t), mongotest.Database(t)
	want := []mongodb.Index{
		{Keys: bson.D{{Key: "a", Value: 1}, {Key: "b", Value: -1}}, Unique: true},
		{Keys: bson.D{{Key: "b", Value: 1}}},
	}
	for range 2 {
		var wg sync.WaitGroup
		for range 4 {
			c := mongotest.Client(t, uri).Database(database).Collection("c")
			wg.Go(func() {
				if err := mongodb.EnsureIndexes(t.Context(), c, want...); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}

	c := mongotest.Client(t, uri).Database(database).Collection("c")
	specs, err := c.Indexes().ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range specs {
		names[s.Name] = true
	}
	if len(names) != 3 || !names["a_1_b_-1"] || !names["b_1"] {
		t.Errorf("the indexes are %v, want a_1_b_-1, b_1 and that of _id", names)
	}
	doc := bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 1}}
	if _, err := c.InsertOne(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertOne(t.Context(), doc); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("a second document of the same keys: %v, want a duplicate key error", err)
	}
}
