// Package mongodb stores the webhook settings of users in a MongoDB collection, one
// document for each user. It needs no index but that of the identifiers.
package mongodb

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mp3converter/shared/store"
	"mp3converter/shared/webhooks"
)

// Collection is the name of the collection.
const Collection = "webhooks"

// Store is a webhooks.Store in a MongoDB collection.
type Store struct {
	settings *mongo.Collection
}

var _ webhooks.Store = (*Store)(nil)

// New returns the store in db. It sends nothing.
func New(db *mongo.Database) *Store { return &Store{db.Collection(Collection)} }

// Get returns the settings of a user, or webhooks.ErrNotFound.
func (s *Store) Get(ctx context.Context, owner string) (settings webhooks.Settings, err error) {
	err = s.settings.FindOne(ctx, bson.D{{Key: "_id", Value: owner}}).Decode(&settings)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return webhooks.Settings{}, webhooks.ErrNotFound
	case err != nil:
		return webhooks.Settings{}, store.Error(ctx, "webhooks: read", err)
	}
	return settings, nil
}

// Update reads the settings, applies change and writes them if the revision is still the
// same. Otherwise it starts again, until it succeeds or ctx ends: of several writers, one
// succeeds each time.
func (s *Store) Update(ctx context.Context, owner string, change func(*webhooks.Settings) error) (webhooks.Settings, error) {
	for {
		settings, err := s.Get(ctx, owner)
		if err != nil && !errors.Is(err, webhooks.ErrNotFound) {
			return webhooks.Settings{}, err
		}
		revision := settings.Revision
		if err := change(&settings); err != nil {
			return webhooks.Settings{}, err
		}
		settings.Owner, settings.Revision = owner, revision+1
		written, err := s.write(ctx, settings, revision)
		if err != nil {
			return webhooks.Settings{}, store.Error(ctx, "webhooks: update", err)
		}
		if written {
			return settings, nil
		}
	}
}

// write stores settings in place of the given revision, 0 for none, and reports whether
// that revision was current.
func (s *Store) write(ctx context.Context, settings webhooks.Settings, revision int64) (bool, error) {
	if revision == 0 {
		_, err := s.settings.InsertOne(ctx, settings)
		if mongo.IsDuplicateKeyError(err) {
			return false, nil
		}
		return err == nil, err
	}
	res, err := s.settings.ReplaceOne(ctx, bson.D{{Key: "_id", Value: settings.Owner}, {Key: "revision", Value: revision}}, settings)
	if err != nil {
		return false, err
	}
	return res.MatchedCount == 1, nil
}

// Delete deletes the settings of a user. Deleting none is no error.
func (s *Store) Delete(ctx context.Context, owner string) error {
	if _, err := s.settings.DeleteOne(ctx, bson.D{{Key: "_id", Value: owner}}); err != nil {
		return store.Error(ctx, "webhooks: delete", err)
	}
	return nil
}
