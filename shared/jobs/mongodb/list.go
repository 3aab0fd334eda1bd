package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mp3converter/shared/jobs"
)

// List returns up to limit jobs of an owner that f selects, newest first. It reads the
// owner's part of an index in its order: that of the tag, or that of all jobs.
func (s *Store) List(ctx context.Context, owner string, f jobs.Filter, limit int) ([]jobs.Job, error) {
	filter := bson.D{{Key: "owner", Value: owner}}
	where := func(field, operator string, value any) {
		filter = append(filter, bson.E{Key: field, Value: bson.D{{Key: operator, Value: value}}})
	}
	if len(f.States) > 0 {
		where("state", "$in", f.States)
	} else {
		where("state", "$ne", jobs.Uploading)
	}
	if f.Before != "" {
		where("_id", "$lt", f.Before)
	}
	if f.Tag != "" {
		where("tag", "$eq", f.Tag)
	}
	if f.Text != "" {
		where("name", "$regex", bson.Regex{Pattern: f.TextPattern(), Options: "i"})
	}
	if !f.Since.IsZero() {
		where("createdAt", "$gt", jobs.Truncate(f.Since.Add(-1))) // records have whole milliseconds
	}
	return s.find(ctx, filter, bson.D{{Key: "_id", Value: -1}}, limit)
}
