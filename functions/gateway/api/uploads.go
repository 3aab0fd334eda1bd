package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	"mp3converter/functions/gateway/resumable"
	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/token"
)

// newResumable returns the handler of resumable uploads, which have the same limits as
// others.
func (g *Gateway) newResumable() (*resumable.Handler, error) {
	return resumable.New(resumable.Config{MaxSize: g.config.MaxUpload, Policy: g.config.Policy}, resumable.Deps{
		Jobs:      g.Jobs,
		Videos:    g.Videos,
		Admit:     g.admit,
		NewJob:    g.newResumableJob,
		CheckHead: checkHead,
		Problem:   uploadProblem,
		Absolute:  g.absoluteURL,
		Accepted:  g.resumableAccepted,
	})
}

// handleUploads serves the resumable uploads of a user. A request that brings bytes waits
// for a place and keeps to the pace like any other upload.
func (g *Gateway) handleUploads(w http.ResponseWriter, r *http.Request, user token.Claims) error {
	method := resumable.Method(r)
	if id := r.PathValue("id"); id != "" {
		j, err := g.resumable.Owned(r.Context(), user, id)
		if err != nil {
			return err
		}
		r = r.WithContext(logs.With(r.Context(), slog.String("job", j.ID)))
	}
	if r.ContentLength == 0 || method != http.MethodPost && method != http.MethodPatch {
		return g.resumable.Serve(w, r, user)
	}
	release, err := g.uploads.acquire(r.Context(), user.Subject)
	if err != nil {
		return err
	}
	defer release()
	if err := g.checkSpace(r.Context(), max(r.ContentLength, 0)); err != nil {
		return err
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{requestErrorReader{&pacedReader{body: r.Body, control: http.NewResponseController(w), pace: g.newPace()}}, r.Body}
	return g.resumable.Serve(w, r, user)
}

// tusResponse is middleware that names the version of the protocol in every response.
func tusResponse(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Tus-Resumable", resumable.Version)
		h.ServeHTTP(w, r)
	})
}

// ignoredMetadata are keys that clients add by themselves.
var ignoredMetadata = map[string]bool{"filename": true, "name": true, "filetype": true, "type": true, "contentType": true, "relativePath": true}

// newResumableJob returns a job with the name and the options in the metadata of an upload.
// The options have the same names as in a form.
func (g *Gateway) newResumableJob(ctx context.Context, user token.Claims, metadata map[string]string) (jobs.Job, error) {
	j := jobs.Job{Owner: user.Subject, Email: user.Email}
	name := metadata["filename"]
	if name == "" {
		name = metadata["name"]
	}
	j.Name = CleanName(name)
	fields := make(map[string][]string)
	for key, value := range metadata {
		if !ignoredMetadata[key] {
			fields[key] = []string{value}
		}
	}
	err := g.applyFields(ctx, fields, &j)
	return j, err
}

// resumableAccepted wakes the converter.
func (g *Gateway) resumableAccepted(ctx context.Context, j jobs.Job) {
	g.wakeConverter(ctx, j)
	countAccepted(ctx, j)
}
