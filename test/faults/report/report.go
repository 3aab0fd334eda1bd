// Package report writes the results of the fault tests as the table of
// docs/reliability.md.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Row is the result of one fault.
type Row struct {
	Fault    string
	Runs     int
	Accepted int // jobs that were answered 202

	// These must be zero.
	Lost          int // jobs without an outcome
	Doubled       int // jobs with two MP3s
	FailedWrongly int // jobs that failed although their video is good
	Renotified    int // notifications sent twice, other than after a lost answer of the mail server
	LeftOver      int // files, temporary files and records that no job needs

	LongestRecovery time.Duration // from the end of the fault to the last outcome
}

// Broken reports whether a number that must be zero is not.
func (r Row) Broken() bool {
	return r.Lost+r.Doubled+r.FailedWrongly+r.Renotified+r.LeftOver != 0
}

// WriteTable writes the rows as a Markdown table.
func WriteTable(w io.Writer, rows []Row) {
	fmt.Fprintln(w, "| fault | runs | accepted jobs | lost | doubled | failed wrongly | notified twice | left over | longest recovery |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	for _, r := range rows {
		fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %d | %d | %d | %.1f s |\n",
			r.Fault, r.Runs, r.Accepted, r.Lost, r.Doubled, r.FailedWrongly, r.Renotified, r.LeftOver, r.LongestRecovery.Seconds())
	}
}

// Variable is the environment variable with the directory of saved rows.
const Variable = "FAULTS_ROWS"

// Save saves a row for the table, if the environment variable is set. Rows appear in
// the table in the order in which they were saved.
func Save(t testing.TB, r Row) {
	t.Helper()
	dir := os.Getenv(Variable)
	if dir == "" {
		return
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%d-%d.json", time.Now().UnixNano(), os.Getpid())
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Load returns the rows that were saved in a directory.
func Load(dir string) ([]Row, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json")) // sorted
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var r Row
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// Merge joins the rows of one fault, which ran in several places at a time.
func Merge(rows []Row) []Row {
	var merged []Row
	at := map[string]int{}
	for _, r := range rows {
		i, ok := at[r.Fault]
		if !ok {
			at[r.Fault] = len(merged)
			merged = append(merged, r)
			continue
		}
		m := &merged[i]
		m.Runs += r.Runs
		m.Accepted += r.Accepted
		m.Lost += r.Lost
		m.Doubled += r.Doubled
		m.FailedWrongly += r.FailedWrongly
		m.Renotified += r.Renotified
		m.LeftOver += r.LeftOver
		m.LongestRecovery = max(m.LongestRecovery, r.LongestRecovery)
	}
	return merged
}
