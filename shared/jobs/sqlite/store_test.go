package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/jobs/jobstest"
)

func TestContract(t *testing.T) {
	jobstest.Run(t, func(t *testing.T) jobs.Store {
		return open(t, filepath.Join(t.TempDir(), "jobs.db"))
	})
}

func TestModel(t *testing.T) {
	jobstest.RunModel(t, open(t, filepath.Join(t.TempDir(), "jobs.db")), 40)
}

func TestTwoStoresOfOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	jobstest.RunConcurrent(t, open(t, path), open(t, path))
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := open(t, path)
	if err := s.Create(t.Context(), jobs.Job{ID: "1", Owner: "ann"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "1"); err == nil {
		t.Error("Get of a closed store succeeds")
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping of a closed store succeeds")
	}
	if _, err := open(t, path).Get(t.Context(), "1"); err != nil {
		t.Errorf("Get after reopening: %v", err)
	}
}

func TestOpenDirectory(t *testing.T) {
	if s, err := Open(t.TempDir()); err == nil {
		s.Close()
		t.Error("Open of a directory succeeds")
	}
}

func TestQueriesUseAnIndex(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "jobs.db"))
	for _, c := range []struct {
		query, index string
		sorts        bool
		args         []any
	}{
		{byID, "sqlite_autoindex_jobs_1", false, []any{"1"}},
		{list(jobs.Filter{}), "jobs_owner", false, nil},
		{list(jobs.Filter{Before: "1", States: []jobs.State{jobs.Done, jobs.Failed}, Since: time.Now(), Text: "a"}), "jobs_owner", false, nil},
		{list(jobs.Filter{Tag: "a", States: []jobs.State{jobs.Done}}), "jobs_tag", false, nil},
		{waitingOf, "jobs_queued", true, []any{"ann"}}, // one owner's
		{turnsOf, "jobs_queued", false, []any{1, "ann"}},
		{oldestQueued, "jobs_accepted", false, nil},
		{latestStarts, "jobs_starts", false, []any{1, 10}},
		{byDueAt, "jobs_due", false, []any{1, 10}},
		{nextJob, "jobs_queued", true, []any{1}}, // the owners, not their jobs
		{usageOf, "jobs_occupied", false, []any{"ann"}},
		{unfinished, "jobs_queued", false, []any{1}},
		{unfinished, "jobs_converting", false, []any{1}},
		{finished, "jobs_finished", true, []any{1}}, // groups
	} {
		plan := explain(t, s, c.query, c.args)
		if !strings.Contains(plan, "INDEX "+c.index) || strings.Contains(plan, "TEMP B-TREE") != c.sorts {
			t.Errorf("%s\nhas the plan %q, want index %s; it sorts: %v", c.query, plan, c.index, c.sorts)
		}
	}
}

// list returns the query for one page of a filtered list, with its arguments in it.
func list(f jobs.Filter) string {
	query, args := listQuery("ann", f)
	for _, a := range args {
		value := fmt.Sprint(a)
		if s, ok := a.(string); ok {
			value = "'" + s + "'"
		}
		query = strings.Replace(query, "?", value, 1)
	}
	return query
}

func explain(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	rows, err := s.readers.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var node, parent, unused int
		var step string
		if err := rows.Scan(&node, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(step + "; ")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
