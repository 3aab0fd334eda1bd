package sqlite

import (
	"context"
	"database/sql"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/store"
)

const (
	waitingOf = `SELECT id FROM jobs INDEXED BY jobs_queued WHERE state = 'queued' AND owner = ? ORDER BY id`
	// The waiting jobs of each owner and when its latest attempt began, as in nextJob. Those
	// of the given owner are included if they are paused.
	turnsOf = `SELECT q.owner, count(*), min(q.id),
		max((SELECT max(started_at) FROM jobs s WHERE s.owner = q.owner),
			coalesce((SELECT started_at FROM turns WHERE turns.owner = q.owner), 0))
		FROM jobs q WHERE q.state = 'queued' AND (q.not_before <= ? OR q.owner = ?) GROUP BY q.owner`
	latestStarts = `SELECT started_at FROM jobs WHERE started_at >= ? ORDER BY started_at DESC LIMIT ?`
)

// turn is when an owner is next.
type turn struct {
	waiting int
	oldest  string // identifier of the oldest waiting job
	latest  int64  // when the latest attempt began, in milliseconds since 1970
}

// before reports whether the turn of t comes before that of u.
func (t turn) before(u turn) bool {
	return t.latest < u.latest || t.latest == u.latest && t.oldest < u.oldest
}

// Queue returns the queue as it concerns an owner.
func (s *Store) Queue(ctx context.Context, owner string, now time.Time) (jobs.Queue, error) {
	q, err := s.queue(ctx, owner, now)
	if err != nil {
		return jobs.Queue{}, store.Error(ctx, "jobs: queue", err)
	}
	return q, nil
}

// queue reads the queue in one transaction, so that the parts agree.
func (s *Store) queue(ctx context.Context, owner string, now time.Time) (q jobs.Queue, err error) {
	tx, err := s.readers.BeginTx(ctx, nil)
	if err != nil {
		return q, err
	}
	defer tx.Rollback()
	if q.Waiting, err = column[string](ctx, tx.StmtContext(ctx, s.waiting), owner); err != nil || len(q.Waiting) == 0 {
		return q, err
	}
	turns, err := readTurns(ctx, tx.StmtContext(ctx, s.turns), now.UnixMilli(), owner)
	if err != nil {
		return q, err
	}
	own := turns[owner]
	delete(turns, owner)
	for _, t := range turns {
		if t.before(own) {
			q.Earlier = append(q.Earlier, t.waiting)
		} else {
			q.Later = append(q.Later, t.waiting)
		}
	}
	var since int64
	if err := tx.StmtContext(ctx, s.oldest).QueryRowContext(ctx).Scan(&since); err != nil {
		return q, err
	}
	q.Since = time.UnixMilli(since).UTC()
	starts, err := column[int64](ctx, tx.StmtContext(ctx, s.starts), since, jobs.MaxStarts)
	for _, ms := range starts {
		q.Starts = append(q.Starts, time.UnixMilli(ms).UTC())
	}
	return q, err
}

// readTurns returns the turns by owner.
func readTurns(ctx context.Context, stmt *sql.Stmt, args ...any) (map[string]turn, error) {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	turns := map[string]turn{}
	for rows.Next() {
		var owner string
		var t turn
		if err := rows.Scan(&owner, &t.waiting, &t.oldest, &t.latest); err != nil {
			return nil, err
		}
		turns[owner] = t
	}
	return turns, rows.Err()
}
