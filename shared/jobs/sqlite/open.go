// Package sqlite stores job records in a SQLite file. It is the store of a single
// machine. Several processes may share the file, but not over a network.
//
// A record is one JSON document. Only the fields that queries use are columns.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mp3converter/shared/jobs"
	"mp3converter/shared/sqlite"
	"mp3converter/shared/store"
)

const schema = `
CREATE TABLE IF NOT EXISTS jobs (
	id       TEXT PRIMARY KEY,
	owner    TEXT NOT NULL,
	due_at   INTEGER NOT NULL, -- milliseconds since 1970
	revision INTEGER NOT NULL,
	document TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_owner ON jobs (owner, id DESC);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due_at);
`

// generated are the columns that SQLite computes from the document. A file of an
// earlier version lacks them.
var generated = []struct{ name, definition string }{
	{"state", `TEXT AS (document ->> '$.state')`},
	{"started_at", `INTEGER AS (CAST(unixepoch(document ->> '$.startedAt', 'subsec') * 1000 AS INTEGER))`},
	{"not_before", `INTEGER AS (CAST(unixepoch(coalesce(document ->> '$.notBefore', '0001-01-01'), 'subsec') * 1000 AS INTEGER))`},
	{"finished_at", `INTEGER AS (CAST(unixepoch(document ->> '$.finishedAt', 'subsec') * 1000 AS INTEGER))`},
	{"occupied", `INTEGER AS (CASE WHEN document ->> '$.state' IN ('uploading', 'queued', 'converting') OR document ->> '$.videoUntil' IS NOT NULL
		THEN document ->> '$.video.size' ELSE document ->> '$.audio.size' END)`},
	{"accepted_at", `INTEGER AS (CAST(round(unixepoch(coalesce(document ->> '$.retriedAt', document ->> '$.createdAt'), 'subsec') * 1000) AS INTEGER))`},
	{"tag", `TEXT AS (document ->> '$.tag')`},
	{"idempotency_key", `TEXT AS (document ->> '$.idempotencyKey')`},
}

const generatedIndexes = `
CREATE INDEX IF NOT EXISTS jobs_queued ON jobs (owner, not_before, id) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS jobs_started ON jobs (owner, started_at);
CREATE INDEX IF NOT EXISTS jobs_occupied ON jobs (owner, state, occupied);
DROP INDEX IF EXISTS jobs_usage; -- of an earlier version
CREATE UNIQUE INDEX IF NOT EXISTS jobs_idempotency ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_accepted ON jobs (accepted_at) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS jobs_tag ON jobs (owner, tag, id) WHERE tag IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_starts ON jobs (started_at);
CREATE INDEX IF NOT EXISTS jobs_converting ON jobs (id) WHERE state = 'converting';
CREATE INDEX IF NOT EXISTS jobs_finished ON jobs (finished_at);
`

// turns keeps when an owner's latest attempt began if its job is deleted. Otherwise an
// owner who deletes finished jobs would always be the next in turn.
const turns = `
CREATE TABLE IF NOT EXISTS turns (
	owner      TEXT PRIMARY KEY,
	started_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS jobs_turn BEFORE DELETE ON jobs WHEN OLD.started_at > 0 BEGIN
	INSERT INTO turns VALUES (OLD.owner, OLD.started_at)
	ON CONFLICT (owner) DO UPDATE SET started_at = max(started_at, excluded.started_at);
END;
`

// mails holds the mails that addresses have been sent lately.
const mails = `
CREATE TABLE IF NOT EXISTS mails (
	address  TEXT PRIMARY KEY,
	last_at  INTEGER NOT NULL, -- milliseconds since 1970
	document TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS mails_last ON mails (last_at);
`

// The read queries. Each one reads an index.
const (
	byID    = `SELECT document FROM jobs WHERE id = ?`
	byKey   = `SELECT document FROM jobs WHERE owner = ? AND idempotency_key = ?`
	byDueAt = `SELECT document FROM jobs WHERE due_at <= ? ORDER BY due_at LIMIT ?`
	nextJob = `SELECT document FROM jobs WHERE id = (
		SELECT min(q.id) FROM jobs q WHERE q.state = 'queued' AND q.not_before <= ?
		GROUP BY q.owner
		ORDER BY max((SELECT max(started_at) FROM jobs s WHERE s.owner = q.owner),
			coalesce((SELECT started_at FROM turns WHERE turns.owner = q.owner), 0)), min(q.id) LIMIT 1)`
	usageOf = `SELECT count(*) FILTER (WHERE state IN ('uploading', 'queued', 'converting')), coalesce(sum(occupied), 0) FROM jobs WHERE owner = ?`

	oldestQueued = `SELECT min(accepted_at) FROM jobs WHERE state = 'queued'`
	unfinished   = `SELECT count(*), count(*) FILTER (WHERE not_before > ?),
		(` + oldestQueued + `),
		(SELECT count(*) FROM jobs WHERE state = 'converting')
		FROM jobs INDEXED BY jobs_queued WHERE state = 'queued'`
	finished = `SELECT coalesce(document ->> '$.failure.code', ''), count(*) FROM jobs
		WHERE finished_at > ? AND state IN ('done', 'failed') GROUP BY 1`
)

// Store is a jobs.Store in a SQLite file.
type Store struct {
	readers *sql.DB
	writer  *sql.DB // one connection, so that the writers of one process take turns

	get, byKey, due, next, usage, unfinished, finished *sql.Stmt // of readers
	waiting, turns, oldest, starts                     *sql.Stmt // of readers
	create, getForUpdate, replace, remove              *sql.Stmt // of writer
}

var _ jobs.Store = (*Store)(nil)

// Open opens the file at path and creates the file, the tables and their indexes if
// missing. Other stores may have tables in the same file.
func Open(path string) (_ *Store, err error) {
	s := new(Store)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.writer, err = sqlite.Open(path); err != nil {
		return nil, err
	}
	s.writer.SetMaxOpenConns(1)
	if err = createTable(s.writer); err != nil {
		return nil, fmt.Errorf("jobs: create the table: %w", err)
	}
	if s.readers, err = sqlite.Open(path); err != nil {
		return nil, err
	}
	return s, s.prepare()
}

// createTable creates the table, or adds what a table of an earlier version lacks.
func createTable(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after Commit
	if _, err := tx.Exec(schema); err != nil {
		return err
	}
	for _, c := range generated {
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM pragma_table_xinfo('jobs') WHERE name = ?`, c.name).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			if _, err := tx.Exec("ALTER TABLE jobs ADD COLUMN " + c.name + " " + c.definition); err != nil {
				return err
			}
		}
	}
	if _, err := tx.Exec(generatedIndexes + turns + mails); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *Store) prepare() error {
	for _, p := range []struct {
		stmt  **sql.Stmt
		db    *sql.DB
		query string
	}{
		{&s.get, s.readers, byID},
		{&s.byKey, s.readers, byKey},
		{&s.due, s.readers, byDueAt},
		{&s.next, s.readers, nextJob},
		{&s.waiting, s.readers, waitingOf},
		{&s.turns, s.readers, turnsOf},
		{&s.oldest, s.readers, oldestQueued},
		{&s.starts, s.readers, latestStarts},
		{&s.usage, s.readers, usageOf},
		{&s.unfinished, s.readers, unfinished},
		{&s.finished, s.readers, finished},
		{&s.create, s.writer, `INSERT INTO jobs (id, owner, due_at, revision, document) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&s.getForUpdate, s.writer, byID},
		{&s.replace, s.writer, `UPDATE jobs SET owner = ?, due_at = ?, revision = ?, document = ? WHERE id = ?`},
		{&s.remove, s.writer, `DELETE FROM jobs WHERE id = ?`},
	} {
		var err error
		if *p.stmt, err = p.db.Prepare(p.query); err != nil {
			return fmt.Errorf("jobs: prepare: %w", err)
		}
	}
	return nil
}

// Close closes the file. Calls in progress fail.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.readers, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Ping reports whether the file can be read.
func (s *Store) Ping(ctx context.Context) error {
	var n int
	if err := s.readers.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM jobs LIMIT 1)`).Scan(&n); err != nil {
		return store.Error(ctx, "jobs: ping", err)
	}
	return nil
}
