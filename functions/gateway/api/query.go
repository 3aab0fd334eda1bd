package api

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// states are the states that users see.
var states = []jobs.State{jobs.Queued, jobs.Converting, jobs.Done, jobs.Failed, jobs.Cancelled}

// queryNumber returns the whole number in a parameter, or missing if there is none. One
// that is greater than most counts as most.
func queryNumber(q url.Values, name string, least, most, missing int) (int, error) {
	s := q.Get(name)
	if s == "" {
		return missing, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < uint64(least) {
		return 0, problem.BadRequest.WithDetail("%s must be a whole number, at least %d. More than %d counts as %d.", name, least, most, most)
	}
	return min(int(n), most), nil
}

// queryFlag returns whether a parameter is true.
func queryFlag(q url.Values, name string) (bool, error) {
	switch q.Get(name) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, problem.BadRequest.WithDetail("%s must be true or false.", name)
}

// queryFilter returns which jobs to list.
func queryFilter(q url.Values) (f jobs.Filter, err error) {
	for _, s := range strings.Split(strings.Join(q["state"], ","), ",") {
		if s == "" {
			continue
		}
		if !slices.Contains(states, jobs.State(s)) {
			return f, problem.BadRequest.WithDetail("state must be one or more of %v, separated by commas.", states)
		}
		if !slices.Contains(f.States, jobs.State(s)) { // a query has room for thousands
			f.States = append(f.States, jobs.State(s))
		}
	}
	f.Tag = q.Get("tag")
	if f.Text = q.Get("q"); len(f.Text) > maxName {
		return f, problem.BadRequest.WithDetail("q must not be longer than a name, which has at most %d bytes.", maxName)
	}
	if s := q.Get("since"); s != "" {
		if f.Since, err = time.Parse(time.RFC3339, s); err != nil {
			return f, problem.BadRequest.WithDetail("since must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z. In a query, + is written as %%2B.")
		}
	}
	return f, nil
}
