package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/store"
)

// CountMail counts the mail about a job to an address, and deletes the counts that no limit
// needs any more.
func (s *Store) CountMail(ctx context.Context, address, job string, limit int, now time.Time) (int, error) {
	n, err := s.countMail(ctx, address, job, limit, now)
	if err != nil && !errors.Is(err, jobs.ErrMailLimit) {
		return 0, store.Error(ctx, "jobs: count mail", err)
	}
	return n, err
}

func (s *Store) countMail(ctx context.Context, address, job string, limit int, now time.Time) (int, error) {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // no effect after Commit
	var mails jobs.CountedMails
	var doc []byte
	switch err := tx.QueryRowContext(ctx, `SELECT document FROM mails WHERE address = ?`, address).Scan(&doc); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return 0, err
	default:
		if err := json.Unmarshal(doc, &mails); err != nil {
			return 0, err
		}
	}
	if mails, err = mails.Add(job, limit, now); err != nil {
		return 0, err
	}
	if doc, err = json.Marshal(mails); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO mails VALUES (?, ?, ?)
		ON CONFLICT (address) DO UPDATE SET last_at = excluded.last_at, document = excluded.document`,
		address, mails.Last().UnixMilli(), string(doc)); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM mails WHERE last_at <= ?`, now.Add(-jobs.MailWindow).UnixMilli()); err != nil {
		return 0, err
	}
	return len(mails), tx.Commit()
}
