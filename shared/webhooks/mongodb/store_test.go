package mongodb

import (
	"testing"

	"mp3converter/shared/webhooks"
	"mp3converter/shared/webhooks/webhookstest"
	"mp3converter/test/mongotest"
)

func open(t *testing.T, uri, database string) *Store {
	t.Helper()
	return New(mongotest.Client(t, uri).Database(database))
}

func TestContract(t *testing.T) {
	uri := mongotest.URI(t)
	webhookstest.Run(t, func(t *testing.T) webhooks.Store { return open(t, uri, mongotest.Database(t)) })
}

func TestTwoStoresOfOneCollection(t *testing.T) {
	uri, database := mongotest.URI(t), mongotest.Database(t)
	webhookstest.RunConcurrent(t, open(t, uri, database), open(t, uri, database))
}
