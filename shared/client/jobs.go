package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Job is a job as the API describes it.
type Job struct {
	ID       string
	Name     string
	Tag      string
	State    string
	Bytes    int64 // of the video
	Progress int   // percent
	Error    struct{ Code, Message string }
	Source   struct {
		Seconds        float64
		MissingSeconds float64 // that the video announces, but does not hold; see salvage
	}
	Audio struct {
		ID    string
		Name  string
		URL   string
		Bytes int64
	}
	CreatedAt, FinishedAt, ExpiresAt time.Time
}

// JobError is the end of a job without an MP3.
type JobError struct{ Job Job }

func (e *JobError) Error() string {
	return strings.TrimRight(fmt.Sprintf("job %s is %s: %s", e.Job.ID, e.Job.State, e.Job.Error.Code), ": ")
}

// Job returns a job.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	return c.job(ctx, "/jobs/"+url.PathEscape(id))
}

func (c *Client) job(ctx context.Context, path string) (j Job, err error) {
	err = c.retry(ctx, func() error {
		j = Job{}
		return c.send(ctx, request{method: http.MethodGet, path: path, read: decode(&j)})
	})
	return j, err
}

// Jobs returns the user's 200 newest jobs.
func (c *Client) Jobs(ctx context.Context) ([]Job, error) {
	jobs, _, err := c.JobsPage(ctx, "")
	return jobs, err
}

// JobsPage returns up to 200 of the user's jobs that are older than the job before, or
// the newest if it is "". It also returns the before of the next page, "" if there is
// none.
func (c *Client) JobsPage(ctx context.Context, before string) (jobs []Job, next string, err error) {
	query := url.Values{"limit": {"200"}}
	if before != "" {
		query.Set("before", before)
	}
	var page struct {
		Jobs []Job
		Next string
	}
	err = c.retry(ctx, func() error {
		return c.send(ctx, request{method: http.MethodGet, path: "/jobs?" + query.Encode(), read: decode(&page)})
	})
	return page.Jobs, page.Next, err
}

// Wait waits until a job is done. A job that ends otherwise is a *JobError.
func (c *Client) Wait(ctx context.Context, id string) (Job, error) {
	return c.Watch(ctx, id, func(Job) {})
}

// longestPoll is the longest time between two calls of Watch's function, so that its
// progress moves.
const longestPoll = 5 * time.Second

// Watch is Wait that also passes the job to changed, at first and then every few seconds.
func (c *Client) Watch(ctx context.Context, id string, changed func(Job)) (Job, error) {
	path := "/jobs/" + url.PathEscape(id)
	j, err := c.job(ctx, path)
	for begun := time.Now(); err == nil; {
		changed(j)
		switch j.State {
		case "done":
			return j, nil
		case "failed", "cancelled":
			return j, &JobError{j}
		}
		next := path
		if c.PollInterval > 0 {
			if err := sleep(ctx, c.PollInterval); err != nil {
				return j, err
			}
		} else {
			wait := min(max(time.Since(begun)/10, time.Second), longestPoll)
			next += "?wait=" + strconv.Itoa(int(wait.Seconds()))
		}
		j, err = c.job(ctx, next)
	}
	return j, err
}

// Delete deletes a finished job and its files.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.command(ctx, http.MethodDelete, "/jobs/"+url.PathEscape(id), http.StatusNoContent)
}

// Remove deletes a job and its files. One that is not finished is cancelled first.
func (c *Client) Remove(ctx context.Context, id string) error {
	return c.command(ctx, http.MethodDelete, "/jobs/"+url.PathEscape(id)+"?cancel=true", http.StatusNoContent)
}

// Cancel cancels a job that is not finished.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.command(ctx, http.MethodPost, "/jobs/"+url.PathEscape(id)+"/cancel", 0)
}

// Retry converts a failed job again while its video is kept.
func (c *Client) Retry(ctx context.Context, id string) error {
	return c.command(ctx, http.MethodPost, "/jobs/"+url.PathEscape(id)+"/retry", 0)
}

// CreateLink returns a URL by which anybody can download a job's MP3, without a token,
// for the given time.
func (c *Client) CreateLink(ctx context.Context, id string, valid time.Duration) (link string, err error) {
	body, err := json.Marshal(map[string]int{"expiresIn": int(valid.Seconds())})
	if err != nil {
		return "", err
	}
	var res struct{ URL string }
	err = c.retry(ctx, func() error {
		return c.send(ctx, request{method: http.MethodPost, path: "/jobs/" + url.PathEscape(id) + "/links", accept: success,
			header: http.Header{"Content-Type": {"application/json"}}, body: strings.NewReader(string(body)), read: decode(&res)})
	})
	return res.URL, err
}

// RevokeLinks makes all links to a job's MP3 invalid.
func (c *Client) RevokeLinks(ctx context.Context, id string) error {
	return c.command(ctx, http.MethodDelete, "/jobs/"+url.PathEscape(id)+"/links", http.StatusNoContent)
}

// command sends a request without a body and ignores the response. A want of 0 accepts
// each successful status. If a response is lost, the repeated request may find the job in the
// new state already, which is a StatusError.
func (c *Client) command(ctx context.Context, method, path string, want int) error {
	accept := success
	if want != 0 {
		accept = status(want)
	}
	return c.retry(ctx, func() error { return c.send(ctx, request{method: method, path: path, accept: accept}) })
}

// success accepts each successful status.
func success(got int) bool { return got >= 200 && got < 300 }
