package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"mp3converter/shared/jobs"
	"mp3converter/shared/store"
)

// listQuery returns the query for an owner's jobs, newest first, and its arguments. It does
// not compare Filter.Text: SQLite knows the case of ASCII letters only.
func listQuery(owner string, f jobs.Filter) (query string, args []any) {
	conditions := []string{"owner = ?", "state <> 'uploading'"}
	args = []any{owner}
	where := func(condition string, values ...any) {
		conditions = append(conditions, condition)
		args = append(args, values...)
	}
	if f.Before != "" {
		where("id < ?", f.Before)
	}
	if len(f.States) > 0 {
		var states []any
		for _, s := range f.States {
			states = append(states, string(s))
		}
		where("state IN (?"+strings.Repeat(", ?", len(states)-1)+")", states...)
	}
	if f.Tag != "" {
		where("tag = ?", f.Tag)
	}
	if !f.Since.IsZero() {
		// Rounded up: records have whole milliseconds.
		since := f.Since.UnixMilli()
		if f.Since.Nanosecond()%1e6 != 0 {
			since++
		}
		where("round(unixepoch(document ->> '$.createdAt', 'subsec') * 1000) >= ?", since)
	}
	return "SELECT document ->> '$.name', document FROM jobs WHERE " + strings.Join(conditions, " AND ") + " ORDER BY id DESC", args
}

// List returns up to limit jobs of an owner that f selects, newest first.
func (s *Store) List(ctx context.Context, owner string, f jobs.Filter, limit int) ([]jobs.Job, error) {
	text, err := regexp.Compile("(?i)" + f.TextPattern())
	if err != nil {
		return nil, fmt.Errorf("jobs: list: %w", err)
	}
	query, args := listQuery(owner, f)
	if f.Text == "" {
		query, args = query+" LIMIT ?", append(args, max(limit, 0))
	}
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, store.Error(ctx, "jobs: list", err)
	}
	defer rows.Close()
	var found []jobs.Job
	for len(found) < limit && rows.Next() {
		j, matches, err := scanNamed(rows, text)
		if err != nil {
			return nil, store.Error(ctx, "jobs: list", err)
		}
		if matches {
			found = append(found, j)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, store.Error(ctx, "jobs: list", err)
	}
	return found, nil
}

// scanNamed decodes a job if its name contains the text.
func scanNamed(rows *sql.Rows, text *regexp.Regexp) (j jobs.Job, matches bool, err error) {
	var name string
	var doc sql.RawBytes
	if err := rows.Scan(&name, &doc); err != nil {
		return j, false, err
	}
	if !text.MatchString(name) {
		return j, false, nil
	}
	if err := json.Unmarshal(doc, &j); err != nil {
		return jobs.Job{}, false, fmt.Errorf("decode: %w", err)
	}
	return j, true, nil
}
