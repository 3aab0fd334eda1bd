package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// etag returns the entity tag of a job: its revision and, while it is queued, its position.
// It is weak, because the expected start may differ.
func (j jobResponse) etag() string {
	tag := strconv.FormatInt(j.revision, 10)
	if j.QueuePosition != nil {
		tag += "-" + strconv.Itoa(*j.QueuePosition)
	}
	return `W/"` + tag + `"`
}

// etag returns the entity tag of a page.
func (p jobListResponse) etag() string {
	h := sha256.New()
	for _, j := range p.Jobs {
		h.Write([]byte(j.ID + j.etag()))
	}
	h.Write([]byte(p.Next))
	return `W/"` + hex.EncodeToString(h.Sum(nil)[:12]) + `"`
}

// writeUnlessKnown responds with v, or with 304 if the client says that it has the version
// with this entity tag.
func writeUnlessKnown(w http.ResponseWriter, r *http.Request, etag string, v any) error {
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Cache-Control", "private, no-cache")
	h.Add("Vary", "Authorization") // beside Origin, see CORS
	if isKnown(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	// Writing fails only if the client is gone.
	json.NewEncoder(w).Encode(v)
	return nil
}

// isKnown reports whether an If-None-Match header has the entity tag. As RFC 9110 requires,
// weak tags are equal to strong ones.
func isKnown(header []string, etag string) bool {
	for _, s := range strings.Split(strings.Join(header, ","), ",") {
		s = strings.TrimSpace(s)
		if s == "*" || s != "" && strings.TrimPrefix(s, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}
