// Package mongodb is what the stores kept in MongoDB have in common: how they
// connect, and how they make sure of their indexes. It knows no collections.
package mongodb

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// Reachable is how long a call looks for a server before it fails.
const Reachable = 5 * time.Second

// Answered is how long a call waits for one answer of a server: long, for in a
// burst of uploads many wait for one disk.
const Answered = 40 * time.Second

// Connect returns a client of the server or servers at uri, which it connects
// to when they are first needed and again whenever they have been away. Writes
// are acknowledged once most members of a replica set have them, and reads ask
// the primary, whatever uri says.
func Connect(uri string) (*mongo.Client, error) {
	client, err := mongo.Connect(options.Client().
		ApplyURI(uri).
		SetServerSelectionTimeout(Reachable).
		SetConnectTimeout(Reachable).
		SetWriteConcern(writeconcern.Majority()).
		SetReadPreference(readpref.Primary()))
	if err != nil {
		return nil, fmt.Errorf("mongodb: %w", err)
	}
	return client, nil
}

// Close ends the connections of a client. Calls that are under way fail.
func Close(client *mongo.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), Reachable)
	defer cancel()
	if err := client.Disconnect(ctx); err != nil {
		return fmt.Errorf("mongodb: close: %w", err)
	}
	return nil
}
