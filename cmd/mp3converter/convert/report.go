package convert

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"mp3converter/shared/client"
	"mp3converter/shared/conversion"
)

// The exit statuses of the program, as --help and docs/cli.md describe them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitServer      = 3
	exitInterrupted = 130
)

var errInterrupted = errors.New("interrupted; run the same command again to continue")

// exitError is an error with an exit status. A nil error has been reported already. Errors
// of any other type are wrong usage.
type exitError struct {
	status int
	error
}

func (e exitError) Unwrap() error { return e.error }

// ExitStatus returns the exit status of the program after an error of the command, and
// whether the error is still to be printed.
func ExitStatus(err error) (status int, printed bool) {
	var e exitError
	if errors.As(err, &e) {
		return e.status, e.error == nil
	}
	return exitUsage, false
}

// fileError is a failure of one file that neither a server nor a conversion is the cause of.
type fileError struct {
	code string
	error
}

func (e *fileError) Unwrap() error { return e.error }

// result is what became of one file: a line of --json.
type result struct {
	File        string       `json:"file"`
	Job         string       `json:"job,omitempty"` // on the server
	State       string       `json:"state"`         // done, failed, cancelled or interrupted
	Output      string       `json:"output,omitempty"`
	Bytes       int64        `json:"bytes,omitempty"`          // of the MP3
	Missing     float64      `json:"missingSeconds,omitempty"` // that the file announces, but does not hold
	Sent        int64        `json:"sent,omitempty"`           // bytes uploaded by this run
	ResumedFrom int64        `json:"resumedFrom,omitempty"`    // bytes that an earlier run had uploaded
	Seconds     float64      `json:"seconds"`
	Error       *resultError `json:"error,omitempty"`

	server bool // the server cannot be reached or has refused the login
}

type resultError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// fail records why the file was not converted.
func (r *result) fail(ctx context.Context, err error) {
	var (
		file    *fileError
		failure *conversion.Failure
		ended   *client.JobError
		status  *client.StatusError
	)
	r.State = "failed"
	switch {
	case errors.As(err, &ended):
		r.State = ended.Job.State
		r.Error = &resultError{ended.Job.Error.Code, ended.Job.Error.Message}
		if r.State == "cancelled" {
			r.Error = &resultError{"cancelled", "The job was cancelled."}
		}
	case errors.As(err, &failure):
		r.Error = &resultError{failure.Code, localSentence.Replace(failure.Message)}
	case ctx.Err() != nil:
		r.State, r.Error = "interrupted", &resultError{"interrupted", "Run the same command again to continue."}
	case errors.As(err, &file):
		r.Error = &resultError{file.code, file.Error()}
	case errors.As(err, &status):
		r.Error, r.server = &resultError{status.Code, status.Sentence()}, refused(err)
		if status.Code == "" {
			r.Error.Code = "unexpected_status"
			r.server = true // a proxy, or another kind of server
		}
	case client.IsUnreachable(err):
		r.Error, r.server = &resultError{"server_unreachable", sentence(err)}, true
	default:
		r.Error = &resultError{"internal", err.Error()}
	}
}

// sentence describes an error for the user, without the query of a request.
func sentence(err error) string {
	var status *client.StatusError
	if errors.As(err, &status) {
		return status.Sentence()
	}
	if client.IsUnreachable(err) {
		return "the server cannot be reached: " + client.Reason(err)
	}
	return client.Reason(err)
}

// report prints the results and remembers what they mean for the exit status.
type report struct {
	json *json.Encoder // nil without --json
	show *display

	mu             sync.Mutex
	failed, server bool
}

func newReport(asJSON bool, stdout io.Writer, show *display) *report {
	r := &report{show: show}
	if asJSON {
		r.json = json.NewEncoder(stdout)
		r.json.SetEscapeHTML(false)
	}
	return r
}

// add prints a result.
func (p *report) add(r result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = p.failed || r.Error != nil
	p.server = p.server || r.server
	switch {
	case p.json != nil:
		_ = p.json.Encode(r)
	case r.Error == nil:
		p.show.message("%s: %s, %.1f s", r.Output, size(r.Bytes), r.Seconds)
		if r.Missing > 0 {
			p.show.message("%s: %.1f seconds of sound are missing", r.File, r.Missing)
		}
	case r.State != "interrupted":
		p.show.error("%s: %s", r.File, r.Error.Message)
	}
}

// err returns the error of the command.
func (p *report) err(ctx context.Context, resumable bool) error {
	switch {
	case !p.failed:
		return nil
	case ctx.Err() != nil && resumable:
		return exitError{exitInterrupted, errInterrupted}
	case ctx.Err() != nil:
		return exitError{exitInterrupted, errors.New("interrupted")}
	case p.server:
		return exitError{exitServer, nil}
	}
	return exitError{exitFailed, nil}
}
