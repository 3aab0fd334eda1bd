package login

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// The table throttle has a row for each limit that is in use. A limit is a bucket that
// each attempt fills for the interval of its rate: expires_at is when it will be empty,
// in microseconds since 1970 by the clock of the database. After that the row means
// nothing. The row of a known client exists for as long as the client is known.

// rowID identifies a row of the table throttle.
type rowID [32]byte

type limit struct {
	id rowID
	rate
}

// slack is how far ahead expires_at may be for another attempt.
func (r rate) slack() time.Duration { return time.Duration(r.burst-1) * r.interval }

// refusal says which limit is exhausted, and how long to wait until none is. It is zero if
// none is.
type refusal struct {
	id   rowID
	wait time.Duration
}

const (
	// takeRounds bounds how often take tries again after a deadlock, or if a row was
	// deleted or a limit recovered between two statements.
	takeRounds = 5

	// Every cleanInterval-th take of a process deletes up to cleanRows expired rows. A
	// take adds at most three, so the table does not grow without bound.
	cleanInterval = 16
	cleanRows     = 256
)

// take counts an attempt against every limit, or against none if one is exhausted. It
// needs two statements, and a third after a refusal.
func (s *Users) take(ctx context.Context, limits []limit) (refusal, error) {
	if s.takes.Add(1)%cleanInterval == 1 {
		if err := s.deleteExpired(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "old counts of logins not deleted", "error", err)
		}
	}
	for range takeRounds {
		r, taken, err := s.tryTake(ctx, limits)
		switch {
		case isDeadlock(err):
		case err != nil:
			return refusal{}, fmt.Errorf("count attempt: %w", err)
		case taken || r.wait > 0:
			return r, nil
		}
	}
	return refusal{limits[0].id, time.Second}, nil // too many concurrent attempts
}

// tryTake returns taken, or a refusal, or neither if another process interfered.
func (s *Users) tryTake(ctx context.Context, limits []limit) (r refusal, taken bool, err error) {
	ids := make([]any, len(limits))
	for i, l := range limits {
		ids[i] = l.id[:]
	}
	rows := strings.Repeat(", (?, "+s.now+")", len(limits))[2:]
	if _, err := s.db.ExecContext(ctx, s.insertIgnore+" INTO throttle (id, expires_at) VALUES "+rows, ids...); err != nil {
		return refusal{}, false, err
	}
	query, args := s.fill(limits)
	result, err := s.db.ExecContext(ctx, query, args...)
	if err != nil {
		return refusal{}, false, err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return refusal{}, n > 0, err
	}
	r, err = s.findExhausted(ctx, limits, ids)
	return r, false, err
}

// findExhausted returns the first exhausted limit, and the time until none is.
func (s *Users) findExhausted(ctx context.Context, limits []limit, ids []any) (r refusal, err error) {
	placeholders := strings.Repeat(", ?", len(ids))[2:]
	rows, err := s.db.QueryContext(ctx, "SELECT id, expires_at - "+s.now+" FROM throttle WHERE id IN ("+placeholders+")", ids...)
	if err != nil {
		return refusal{}, err
	}
	defer rows.Close()
	filled := make(map[rowID]time.Duration)
	for rows.Next() {
		var id []byte
		var microseconds int64
		if err := rows.Scan(&id, &microseconds); err != nil {
			return refusal{}, err
		}
		filled[rowID(id)] = time.Duration(microseconds) * time.Microsecond
	}
	for _, l := range limits {
		wait := filled[l.id] - l.slack()
		if wait > 0 && r.wait == 0 {
			r.id = l.id
		}
		r.wait = max(r.wait, wait)
	}
	return r, rows.Err()
}

// remember keeps a row for at least the given time. A row that lasts nearly as long is not
// written again.
func (s *Users) remember(ctx context.Context, id rowID, age time.Duration) error {
	const day = 24 * time.Hour
	_, err := s.db.ExecContext(ctx, s.upsert, id[:], age.Microseconds(), (age - day).Microseconds(), age.Microseconds())
	if err != nil {
		return fmt.Errorf("remember client: %w", err)
	}
	return nil
}

// has reports whether a row exists that has not expired.
func (s *Users) has(ctx context.Context, id rowID) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, "SELECT 1 FROM throttle WHERE id = ? AND expires_at > "+s.now, id[:]).Scan(&n)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("find client: %w", err)
	}
	return true, nil
}

// deleteExpired deletes up to cleanRows rows that expired a minute ago or earlier, so not
// those that an attempt is about to use. The transaction of MySQL locks no gaps between
// rows, where other attempts insert theirs.
func (s *Users) deleteExpired(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: s.isolation})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, s.deleteOld, time.Minute.Microseconds(), cleanRows); err != nil {
		return err
	}
	return tx.Commit()
}
