package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/store"
)

// Create stores a new job, at revision 0, or returns jobs.ErrExists.
func (s *Store) Create(ctx context.Context, j jobs.Job) error {
	j.Revision = 0
	doc, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("jobs: encode: %w", err)
	}
	res, err := s.create.ExecContext(ctx, j.ID, j.Owner, j.DueAt.UnixMilli(), j.Revision, string(doc))
	if err != nil {
		return store.Error(ctx, "jobs: create", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return store.Error(ctx, "jobs: create", err)
	}
	if n == 0 {
		return jobs.ErrExists
	}
	return nil
}

// Get returns a job or jobs.ErrNotFound.
func (s *Store) Get(ctx context.Context, id string) (jobs.Job, error) {
	return read(ctx, s.get, id)
}

// ByKey returns the owner's job with an idempotency key, or jobs.ErrNotFound.
func (s *Store) ByKey(ctx context.Context, owner, key string) (jobs.Job, error) {
	return read(ctx, s.byKey, owner, key)
}

// Update applies change within one write transaction, so change runs once: there
// are no conflicts.
func (s *Store) Update(ctx context.Context, id string, change func(*jobs.Job) error) (jobs.Job, error) {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return jobs.Job{}, store.Error(ctx, "jobs: update", err)
	}
	defer tx.Rollback() // no effect after Commit
	j, err := read(ctx, tx.StmtContext(ctx, s.getForUpdate), id)
	if err != nil {
		return jobs.Job{}, err
	}
	revision := j.Revision
	if err := change(&j); err != nil {
		return jobs.Job{}, err
	}
	j.ID, j.Revision = id, revision+1
	doc, err := json.Marshal(j)
	if err != nil {
		return jobs.Job{}, fmt.Errorf("jobs: encode: %w", err)
	}
	if _, err := tx.StmtContext(ctx, s.replace).ExecContext(ctx, j.Owner, j.DueAt.UnixMilli(), j.Revision, string(doc), id); err != nil {
		return jobs.Job{}, store.Error(ctx, "jobs: update", err)
	}
	if err := tx.Commit(); err != nil {
		return jobs.Job{}, store.Error(ctx, "jobs: update", err)
	}
	return j, nil
}

// Delete deletes a job. Deleting one that does not exist is no error.
func (s *Store) Delete(ctx context.Context, id string) error {
	if _, err := s.remove.ExecContext(ctx, id); err != nil {
		return store.Error(ctx, "jobs: delete", err)
	}
	return nil
}

// Due returns up to limit jobs that are due at now, the earliest first.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]jobs.Job, error) {
	return readAll(ctx, s.due, now.UnixMilli(), max(limit, 0))
}

// Next returns the job that should be converted next, or jobs.ErrNotFound.
func (s *Store) Next(ctx context.Context, now time.Time) (jobs.Job, error) {
	return read(ctx, s.next, now.UnixMilli())
}

// Usage returns what an owner's jobs occupy.
func (s *Store) Usage(ctx context.Context, owner string) (u jobs.Usage, err error) {
	if err := s.usage.QueryRowContext(ctx, owner).Scan(&u.Unfinished, &u.Bytes); err != nil {
		return u, store.Error(ctx, "jobs: usage", err)
	}
	return u, nil
}

// Now returns the time of this machine, which all processes that share the file have.
func (s *Store) Now() time.Time { return time.Now() }

func read(ctx context.Context, stmt *sql.Stmt, args ...any) (j jobs.Job, err error) {
	var doc []byte
	switch err := stmt.QueryRowContext(ctx, args...).Scan(&doc); {
	case errors.Is(err, sql.ErrNoRows):
		return j, jobs.ErrNotFound
	case err != nil:
		return j, store.Error(ctx, "jobs: read", err)
	}
	if err := json.Unmarshal(doc, &j); err != nil {
		return jobs.Job{}, fmt.Errorf("jobs: decode %v: %w", args, err)
	}
	return j, nil
}

func readAll(ctx context.Context, stmt *sql.Stmt, args ...any) ([]jobs.Job, error) {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, store.Error(ctx, "jobs: read", err)
	}
	defer rows.Close()
	var all []jobs.Job
	for rows.Next() {
		var doc []byte
		if err := rows.Scan(&doc); err != nil {
			return nil, store.Error(ctx, "jobs: read", err)
		}
		var j jobs.Job
		if err := json.Unmarshal(doc, &j); err != nil {
			return nil, fmt.Errorf("jobs: decode: %w", err)
		}
		all = append(all, j)
	}
	if err := rows.Err(); err != nil {
		return nil, store.Error(ctx, "jobs: read", err)
	}
	return all, nil
}

// column returns the values of a query with one column.
func column[T any](ctx context.Context, stmt *sql.Stmt, args ...any) ([]T, error) {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
