// Package report writes the results of the fault tests as the table of
// docs/reliability.md.
package report

import (
	"fmt"
	"io"
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
