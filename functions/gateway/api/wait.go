package api

import (
	"net/http"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/token"
)

const (
	// maxWait is the longest wait, below the timeouts of common proxies.
	maxWait = 240 * time.Second
	// A waiting request reads the job at intervals of a tenth of the time that it has
	// waited, within these limits.
	minPollInterval, maxPollInterval = 500 * time.Millisecond, 2 * time.Second
)

// waitForJob is ownedJob with long polling: with the query parameter
// wait=SECONDS it returns once the job is finished or the time is up.
func (g *Gateway) waitForJob(r *http.Request, user token.Claims, id string) (jobs.Job, error) {
	j, err := g.ownedJob(r, user, id)
	if err != nil {
		return j, err
	}
	seconds, err := queryNumber(r.URL.Query(), "wait", 0, int(maxWait.Seconds()), 0)
	if err != nil || seconds == 0 || j.State.Final() {
		return j, err
	}
	release, err := g.waits.acquire(r.Context(), user.Subject)
	if err != nil {
		return j, err
	}
	defer release()
	begun := time.Now()
	deadline := time.After(time.Duration(seconds) * time.Second)
	for !j.State.Final() {
		select {
		case <-r.Context().Done():
			return j, r.Context().Err()
		case <-deadline:
			return j, nil
		case <-time.After(max(minPollInterval, min(time.Since(begun)/10, maxPollInterval))):
			if j, err = g.ownedJob(r, user, id); err != nil {
				return j, err
			}
		}
	}
	return j, nil
}
