package resumable

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"mp3converter/functions/gateway/idempotency"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// replay answers a creation whose idempotency key belongs to an upload, or to the job that
// it has become: with that upload, if the request is equal to the one that created it. A
// part that the request brings is not stored; Upload-Offset says where to continue.
func (h *Handler) replay(w http.ResponseWriter, r *http.Request, q *request) (replayed bool, err error) {
	j, err := h.deps.Jobs.ByKey(r.Context(), q.user.Subject, q.key)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		return false, nil
	case err != nil:
		return false, problem.Unavailable.WithCause(err)
	case idempotency.Pending(j):
		return false, problem.IdempotencyKeyInUse
	case j.BodyDigest != q.digest(r.Header.Get("Upload-Length")):
		return false, problem.IdempotencyKeyReused
	}
	offset := j.Video.Size
	if j.State == jobs.Uploading {
		if offset, err = h.deps.Videos.Written(r.Context(), j.Video.ID); err != nil {
			return false, problem.Unavailable.WithCause(err)
		}
	}
	q.upload = j
	w.Header().Set(idempotency.ReplayedHeader, "true")
	w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	w.WriteHeader(http.StatusCreated)
	return true, nil
}

// digest identifies what a creation contains: the length and the metadata.
func (q *request) digest(length string) string {
	return idempotency.Digest(url.Values{"length": {length}, "metadata": {q.metadata}}, nil)
}

// create stores the record of a new upload. If another request with the same key has been
// faster, this one is refused, and finds the upload when it is repeated.
func (s dataStore) create(ctx context.Context, j jobs.Job) error {
	err := s.deps.Jobs.Create(ctx, j)
	switch {
	case err == nil:
		return nil
	case j.IdempotencyKey != "" && errors.Is(err, jobs.ErrExists):
		return problem.IdempotencyKeyInUse
	}
	return problem.Unavailable.WithCause(err)
}
