package api

import (
	"net/http"

	"mp3converter/shared/id"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

const (
	pageSize    = 50
	maxPageSize = 200
)

// handleListJobs responds with one page of the user's jobs, newest first.
func (g *Gateway) handleListJobs(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	q := r.URL.Query()
	limit, err := queryNumber(q, "limit", 1, maxPageSize, pageSize)
	if err != nil {
		return err
	}
	filter, err := queryFilter(q)
	if err != nil {
		return err
	}
	if filter.Before = q.Get("before"); filter.Before != "" && !id.Valid(filter.Before) {
		return problem.BadRequest.WithDetail("before must be the id of a job.")
	}
	found, err := g.Jobs.List(r.Context(), user.Subject, filter, limit+1)
	if err != nil {
		return problem.Unavailable.WithCause(err)
	}
	page := jobListResponse{Jobs: []jobResponse{}}
	if len(found) > limit {
		found = found[:limit]
		page.Next = found[limit-1].ID
	}
	for _, j := range found {
		page.Jobs = append(page.Jobs, g.newJobResponse(j))
	}
	g.addPositions(r.Context(), user.Subject, page.Jobs)
	if page.Next != "" {
		q.Set("before", page.Next)
		w.Header().Set("Link", "<"+g.absoluteURL("/jobs?"+q.Encode())+`>; rel="next"`)
	}
	return writeUnlessKnown(w, r, page.etag(), page)
}

// handleGetJob responds with a job.
func (g *Gateway) handleGetJob(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	j, err := g.waitForJob(r, user, r.PathValue("id"))
	if err != nil {
		return err
	}
	shown := []jobResponse{g.newJobResponse(j)}
	g.addPositions(r.Context(), user.Subject, shown)
	return writeUnlessKnown(w, r, shown[0].etag(), shown[0])
}
