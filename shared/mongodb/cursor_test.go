package mongodb_test

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mp3converter/shared/mongodb"
)

// A cursor that fails after some documents has not been read to its end.
func TestReadAllFails(t *testing.T) {
	broken := errors.New("the cursor was lost")
	cursor, err := mongo.NewCursorFromDocuments([]any{bson.D{{Key: "_id", Value: 1}}}, broken, nil)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := mongodb.ReadAll[bson.D](t.Context(), cursor); !errors.Is(err, broken) {
		t.Errorf("ReadAll returns %d documents, %v; want the cursor's error", len(all), err)
	}
}
