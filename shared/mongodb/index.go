package mongodb

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Index is what an index has to be.
type Index struct {
	Keys   bson.D // fields in order, each 1 or -1
	Unique bool
}

// name is the name that everybody gives an index of these keys.
func (i Index) name() string {
	var parts []string
	for _, e := range i.Keys {
		parts = append(parts, fmt.Sprintf("%s_%d", e.Key, e.Value))
	}
	return strings.Join(parts, "_")
}

// Ensure makes the indexes that a collection lacks. It asks before it makes
// them, so a function that starts often costs the server next to nothing, and
// asks again afterwards, so it matters little if others did the same meanwhile.
func Ensure(ctx context.Context, c *mongo.Collection, want ...Index) error {
	ctx, cancel := context.WithTimeout(ctx, Answered)
	defer cancel()
	var failed error
	for attempt := 0; ; attempt++ {
		missing, err := lacking(ctx, c, want)
		switch {
		case err != nil:
			return fmt.Errorf("mongodb: list the indexes of %s: %w", c.Name(), err)
		case len(missing) == 0:
			return nil
		case attempt == 3:
			return fmt.Errorf("mongodb: make the indexes of %s: %w", c.Name(), failed)
		}
		_, failed = c.Indexes().CreateMany(ctx, missing)
	}
}

func lacking(ctx context.Context, c *mongo.Collection, want []Index) ([]mongo.IndexModel, error) {
	specs, err := c.Indexes().ListSpecifications(ctx)
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, s := range specs {
		have[s.Name] = true
	}
	var missing []mongo.IndexModel
	for _, i := range want {
		if have[i.name()] {
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
