package resumable

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"time"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// responseWriter adds the headers of the extensions to tusd's responses, and holds back
// its error responses, which are replaced by problems.
type responseWriter struct {
	http.ResponseWriter
	request *request
	method  string // of the request

	status  int
	message bytes.Buffer // of an error
}

func (w *responseWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if status >= http.StatusBadRequest {
		return
	}
	header, j := w.Header(), w.request.upload
	if j.State == jobs.Uploading && w.method != http.MethodDelete {
		expires := w.request.handler.deps.Jobs.Now().Add(w.request.handler.config.Policy.UploadTTL)
		header.Set("Upload-Expires", expires.UTC().Format(http.TimeFormat))
	}
	if w.method == http.MethodHead && j.Resumable != nil && j.Resumable.Metadata != "" {
		header.Set("Upload-Metadata", j.Resumable.Metadata)
	}
	if w.method == http.MethodPost {
		header.Set("Location", w.request.handler.deps.Absolute(BasePath+"/"+j.ID)) // whatever a proxy makes of the Host
	}
	header.Set("Cache-Control", "no-store")
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.status >= http.StatusBadRequest {
		return w.message.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// SetReadDeadline does nothing. tusd calls it after every Read to set a timeout, but the
// caller of this package has timeouts of its own, and they remain.
func (w *responseWriter) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, for the same reason.
func (w *responseWriter) SetWriteDeadline(time.Time) error { return nil }

// problem returns the problem that is to be sent in place of tusd's error, or nil.
func (w *responseWriter) problem() error {
	if w.status < http.StatusBadRequest {
		return nil
	}
	w.Header().Del("Content-Length")
	q := w.request
	failure := q.body.failure()
	switch {
	case q.body.interrupted.Load():
		return problem.UploadLocked
	case q.err != nil && (failure == nil || !errors.Is(q.err, problem.ChecksumMismatch)):
		return q.handler.deps.Problem(q.err)
	}
	code, _, _ := strings.Cut(w.message.String(), ":")
	err := errors.New(strings.TrimSpace(w.message.String()))
	if p, ok := problems[code]; ok {
		if p.Kind == problem.UnsupportedTus {
			w.Header().Set("Tus-Version", Version)
		}
		return p
	}
	if failure != nil {
		return q.handler.deps.Problem(failure)
	}
	switch w.status {
	case http.StatusMethodNotAllowed:
		return problem.MethodNotAllowed
	case http.StatusNotFound:
		return problem.UploadNotFound
	}
	return problem.Internal.WithCause(err)
}

// problems are the problems for tusd's errors, except those that end a body.
var problems = map[string]*problem.Error{
	tusd.ErrUnsupportedVersion.ErrorCode:               problem.UnsupportedTus.WithDetail("The header Tus-Resumable must be %s.", Version),
	tusd.ErrMaxSizeExceeded.ErrorCode:                  problem.TooLarge.WithDetail("See the header Tus-Max-Size of OPTIONS %s.", BasePath),
	tusd.ErrInvalidContentType.ErrorCode:               problem.BadUpload.WithDetail("The Content-Type must be %s.", partType),
	tusd.ErrInvalidUploadLength.ErrorCode:              problem.BadUpload.WithDetail("The header Upload-Length must be the size of the file in bytes."),
	tusd.ErrInvalidUploadDeferLength.ErrorCode:         problem.BadUpload.WithDetail("The length cannot be deferred. Send the header Upload-Length."),
	tusd.ErrUploadLengthAndUploadDeferLength.ErrorCode: problem.BadUpload.WithDetail("The length cannot be deferred. Send the header Upload-Length."),
	tusd.ErrNotImplemented.ErrorCode:                   problem.BadUpload.WithDetail("The length cannot be deferred or changed. Send the header Upload-Length when you create the upload."),
	tusd.ErrInvalidOffset.ErrorCode:                    problem.BadUpload.WithDetail("The header Upload-Offset must be a number of bytes."),
	tusd.ErrMismatchOffset.ErrorCode:                   {Kind: problem.OffsetConflict},
	tusd.ErrSizeExceeded.ErrorCode:                     problem.BadUpload.WithDetail("The part is longer than what is missing of the file."),
	tusd.ErrUploadInterrupted.ErrorCode:                {Kind: problem.UploadLocked},
}
