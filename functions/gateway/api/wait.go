package api

import (
	"net/http"
	"strconv"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

const (
	// maxWait is the longest wait, below the timeouts of common proxies.
	maxWait = 240 * time.Second
	// pollInterval is how often a waiting request reads the job.
	pollInterval = 500 * time.Millisecond
)

// waitForJob is ownedJob with long polling: with the query parameter
// wait=SECONDS it returns once the job is finished or the time is up.
func (g *Gateway) waitForJob(r *http.Request, user token.Claims, id string) (jobs.Job, error) {
	j, err := g.ownedJob(r, user, id)
	s := r.URL.Query().Get("wait")
	if err != nil || s == "" || j.State.Final() {
		return j, err
	}
	seconds, err := strconv.Atoi(s)
	if err != nil || seconds < 0 {
		return j, problem.BadRequest.WithDetail("wait must be a number of seconds.")
	}
	deadline := time.After(time.Duration(min(seconds, int(maxWait.Seconds()))) * time.Second)
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !j.State.Final() {
		select {
		case <-r.Context().Done():
			return j, r.Context().Err()
		case <-deadline:
			return j, nil
		case <-ticker.C:
			if j, err = g.ownedJob(r, user, id); err != nil {
				return j, err
			}
		}
	}
	return j, nil
}
