package sqlite

import (
	"context"
	"database/sql"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/store"
)

// Count counts jobs.
func (s *Store) Count(ctx context.Context, now, since time.Time) (jobs.Counts, error) {
	c, err := s.count(ctx, now, since)
	if err != nil {
		return jobs.Counts{}, store.Error(ctx, "jobs: count", err)
	}
	return c, nil
}

func (s *Store) count(ctx context.Context, now, since time.Time) (c jobs.Counts, err error) {
	var oldest sql.NullInt64
	if err := s.unfinished.QueryRowContext(ctx, now.UnixMilli()).Scan(&c.Queued, &c.Paused, &oldest, &c.Converting); err != nil {
		return c, err
	}
	if oldest.Valid {
		c.OldestQueued = time.UnixMilli(oldest.Int64).UTC()
	}
	rows, err := s.finished.QueryContext(ctx, since.UnixMilli())
	if err != nil {
		return c, err
	}
	defer rows.Close()
	c.Finished = map[string]int{}
	for rows.Next() {
		var code string
		var n int
		if err := rows.Scan(&code, &n); err != nil {
			return c, err
		}
		c.Finished[code] = n
	}
	return c, rows.Err()
}
