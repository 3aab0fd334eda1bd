package mongotest

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// SetUploadDate changes when an object in GridFS was completed.
func SetUploadDate(ctx context.Context, db *mongo.Database, id string, at time.Time) error {
	key, err := bson.ObjectIDFromHex(id)
	if err != nil {
		return err
	}
	_, err = db.Collection("fs.files").UpdateByID(ctx, key, bson.D{{Key: "$set", Value: bson.D{{Key: "uploadDate", Value: at}}}})
	return err
}

// ObjectOfJob returns the ID of the object in GridFS that belongs to a job.
func ObjectOfJob(ctx context.Context, db *mongo.Database, job string) (string, error) {
	var file struct {
		ID bson.ObjectID `bson:"_id"`
	}
	err := db.Collection("fs.files").FindOne(ctx, bson.D{{Key: "metadata.job", Value: job}}).Decode(&file)
	return file.ID.Hex(), err
}
