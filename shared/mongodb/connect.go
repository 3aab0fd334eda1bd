// Package mongodb is what the stores in MongoDB have in common: the client with
// its timeouts, indexes and cursors. It knows no collections.
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

const (
	// ConnectTimeout bounds the search for a server, and a handshake.
	ConnectTimeout = 5 * time.Second

	// operationTimeout bounds one round trip whose context has no deadline. It
	// is long because in a burst many uploads wait for one disk. For a cursor
	// it applies to each batch, so a slow reader can keep a cursor for longer.
	operationTimeout = 40 * time.Second

	// maxConnections bounds the connections of a client, unless uri has maxPoolSize.
	// An operation waits for a connection for up to ConnectTimeout. A server takes
	// longer to authenticate a connection than to serve most operations, so in a burst
	// a few connections serve more operations in that time than many new ones.
	maxConnections = 16
)

// Connect returns a client for the server or replica set at uri. It connects at
// the first operation and reconnects after every outage. Writes are acknowledged
// by the majority of a replica set and reads go to the primary, whatever uri
// says. The client is safe for concurrent use; one is enough for a process.
func Connect(uri string) (*mongo.Client, error) {
	client, err := mongo.Connect(clientOptions(uri))
	if err != nil {
		return nil, fmt.Errorf("mongodb: %w", err)
	}
	return client, nil
}

func clientOptions(uri string) *options.ClientOptions {
	return options.Client().
		SetMaxPoolSize(maxConnections).
		ApplyURI(uri).
		SetServerSelectionTimeout(ConnectTimeout).
		SetConnectTimeout(ConnectTimeout).
		SetTimeout(operationTimeout).
		SetWriteConcern(writeconcern.Majority()).
		SetReadPreference(readpref.Primary())
}

// Close closes the connections of a client. Operations in progress fail.
func Close(client *mongo.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), ConnectTimeout)
	defer cancel()
	if err := client.Disconnect(ctx); err != nil {
		return fmt.Errorf("mongodb: close: %w", err)
	}
	return nil
}
