// Package sqlite stores the webhook settings of users in a SQLite file, which may be
// that of the job records.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"mp3converter/shared/sqlite"
	"mp3converter/shared/store"
	"mp3converter/shared/webhooks"
)

const schema = `
CREATE TABLE IF NOT EXISTS webhooks (
	owner    TEXT PRIMARY KEY,
	document TEXT NOT NULL
) STRICT;
`

// Store is a webhooks.Store in a SQLite file.
type Store struct {
	db *sql.DB
}

var _ webhooks.Store = (*Store)(nil)

// Open opens the file at path and creates the file and the table if missing.
func Open(path string) (*Store, error) {
	db, err := sqlite.Open(path)
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("webhooks: create the table: %w", err)
	}
	return &Store{db}, nil
}

// Close closes the file. Calls in progress fail.
func (s *Store) Close() error { return s.db.Close() }

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func read(ctx context.Context, q querier, owner string) (settings webhooks.Settings, err error) {
	var doc []byte
	switch err := q.QueryRowContext(ctx, `SELECT document FROM webhooks WHERE owner = ?`, owner).Scan(&doc); {
	case errors.Is(err, sql.ErrNoRows):
		return settings, webhooks.ErrNotFound
	case err != nil:
		return settings, store.Error(ctx, "webhooks: read", err)
	}
	if err := json.Unmarshal(doc, &settings); err != nil {
		return webhooks.Settings{}, fmt.Errorf("webhooks: decode: %w", err)
	}
	return settings, nil
}

// Get returns the settings of a user, or webhooks.ErrNotFound.
func (s *Store) Get(ctx context.Context, owner string) (webhooks.Settings, error) {
	return read(ctx, s.db, owner)
}

// Update applies change within one write transaction, so change runs once: there are
// no conflicts.
func (s *Store) Update(ctx context.Context, owner string, change func(*webhooks.Settings) error) (webhooks.Settings, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return webhooks.Settings{}, store.Error(ctx, "webhooks: update", err)
	}
	defer tx.Rollback() // no effect after Commit
	settings, err := read(ctx, tx, owner)
	if err != nil && !errors.Is(err, webhooks.ErrNotFound) {
		return webhooks.Settings{}, err
	}
	revision := settings.Revision
	if err := change(&settings); err != nil {
		return webhooks.Settings{}, err
	}
	settings.Owner, settings.Revision = owner, revision+1
	doc, err := json.Marshal(settings)
	if err != nil {
		return webhooks.Settings{}, fmt.Errorf("webhooks: encode: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO webhooks (owner, document) VALUES (?, ?)`, owner, string(doc)); err != nil {
		return webhooks.Settings{}, store.Error(ctx, "webhooks: update", err)
	}
	if err := tx.Commit(); err != nil {
		return webhooks.Settings{}, store.Error(ctx, "webhooks: update", err)
	}
	return settings, nil
}

// Delete deletes the settings of a user. Deleting none is no error.
func (s *Store) Delete(ctx context.Context, owner string) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM webhooks WHERE owner = ?`, owner); err != nil {
		return store.Error(ctx, "webhooks: delete", err)
	}
	return nil
}
