package mongodb

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Index describes an index.
type Index struct {
	Keys   bson.D // fields in order, each 1 or -1
	Unique bool
}

// name returns the server's default name for an index on these keys.
func (i Index) name() string {
	var parts []string
	for _, e := range i.Keys {
		parts = append(parts, fmt.Sprintf("%s_%d", e.Key, e.Value))
	}
	return strings.Join(parts, "_")
}

// EnsureIndexes creates the indexes that a collection lacks. It lists them first,
// because that is cheap for a function that starts often, and lists them again
// after an error, because another process may have created them meanwhile.
func EnsureIndexes(ctx context.Context, c *mongo.Collection, indexes ...Index) error {
	const maxAttempts = 3
	var createErr error
	for attempt := 0; ; attempt++ {
		missing, err := missingIndexes(ctx, c, indexes)
		switch {
		case err != nil:
			return fmt.Errorf("mongodb: list the indexes of %s: %w", c.Name(), err)
		case len(missing) == 0:
			return nil
		case attempt == maxAttempts:
			return fmt.Errorf("mongodb: create the indexes of %s: %w", c.Name(), createErr)
		}
		_, createErr = c.Indexes().CreateMany(ctx, missing)
	}
}

// missingIndexes returns those of the indexes that the collection does not have.
func missingIndexes(ctx context.Context, c *mongo.Collection, indexes []Index) ([]mongo.IndexModel, error) {
	specs, err := c.Indexes().ListSpecifications(ctx)
	if err != nil {
		return nil, err
	}
	existing := map[string]bool{}
	for _, s := range specs {
		existing[s.Name] = true
	}
	var missing []mongo.IndexModel
	for _, i := range indexes {
		if existing[i.name()] {
			continue
		}
		o := options.Index().SetName(i.name())
		if i.Unique {
			o.SetUnique(true)
		}
		missing = append(missing, mongo.IndexModel{Keys: i.Keys, Options: o})
	}
	return missing, nil
}
