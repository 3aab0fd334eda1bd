package api

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"mp3converter/functions/gateway/idempotency"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

// uploadHead is what the header and the query of an upload say.
type uploadHead struct {
	user     token.Claims
	size     int64      // of the body, if announced, in bytes
	form     bool       // whether the body is a form, or the video itself
	boundary string     // of the form
	query    url.Values // file name of a raw body, and fields
	key      string     // idempotency key, or ""
	digest   []byte     // SHA-256 that the client announces for a raw body, or nil
}

// parseUploadHead reads the header and the query. What it refuses is refused before the
// request waits for a place, and before any of the body is read: reading it would make
// the server answer "Expect: 100-continue" with "100 Continue".
func (g *Gateway) parseUploadHead(r *http.Request, user token.Claims) (uploadHead, error) {
	h := uploadHead{user: user, size: max(r.ContentLength, 0), query: r.URL.Query()}
	if h.size > g.config.MaxUpload+formOverhead {
		return h, problem.TooLarge.WithDetail("The limit is %d bytes.", g.config.MaxUpload)
	}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case kind == "multipart/form-data" && params["boundary"] == "":
		return h, problem.BadRequest.WithDetail("The Content-Type has no boundary.")
	case kind == "multipart/form-data":
		h.form, h.boundary = true, params["boundary"]
	case !isRawType(kind):
		return h, problem.UnsupportedMediaType.WithDetail("Content-Type %.80q is not accepted.", kind)
	case h.size > g.config.MaxUpload:
		return h, problem.TooLarge.WithDetail("The limit is %d bytes.", g.config.MaxUpload)
	case r.ContentLength == 0:
		return h, problem.EmptyFile
	default:
		h.digest = idempotency.ContentDigest(r.Header)
	}
	if err := g.applyFields(r.Context(), h.query, &jobs.Job{Owner: user.Subject}); err != nil {
		return h, err
	}
	var err error
	h.key, err = idempotency.Key(r.Header)
	return h, err
}

// isRawType reports whether a body of this media type is the file itself. That
// includes curl's default for --data-binary, application/x-www-form-urlencoded.
func isRawType(kind string) bool {
	return kind == "" || kind == "application/octet-stream" || kind == "application/x-www-form-urlencoded" ||
		strings.HasPrefix(kind, "video/") || strings.HasPrefix(kind, "audio/")
}

// newJob returns a job without a state.
func (h uploadHead) newJob() jobs.Job {
	return jobs.Job{ID: id.New(), Owner: h.user.Subject, Email: h.user.Email, IdempotencyKey: h.key, Video: jobs.File{ID: id.New(), Size: h.size}}
}

// differs reports whether the request cannot be the one that created the job, as far as
// that is known without its body.
func (h uploadHead) differs(j jobs.Job) bool {
	if h.form {
		return h.size > 0 && (h.size < j.Video.Size || h.size > j.Video.Size+formOverhead)
	}
	return h.size > 0 && h.size != j.Video.Size ||
		!idempotency.SameParameters(j.BodyDigest, parameters(CleanName(h.query.Get("name")), h.query)) ||
		h.digest != nil && !idempotency.SameFile(j.BodyDigest, h.digest)
}
