package api

import (
	"net/http"
	"strconv"
	"strings"
)

// maxRanges is how many ranges of an MP3 one request may ask for.
const maxRanges = 4

// limitRanges removes a Range header with many, overlapping or unordered ranges, each of
// which would cost the store a query. The response is then the whole file (RFC 9110,
// section 14.2).
func limitRanges(h http.Header) {
	list, ok := strings.CutPrefix(h.Get("Range"), "bytes=")
	if !ok || !strings.Contains(list, ",") {
		return
	}
	if strings.Count(list, ",") >= maxRanges || !ascending(strings.Split(list, ",")) {
		h.Del("Range")
	}
}

// ascending reports whether each range begins after the end of the one before. Only the
// last may have no end or be a suffix. Other malformed ranges are left to
// http.ServeContent.
func ascending(ranges []string) bool {
	before := int64(-1) // the end of the last range
	for i, r := range ranges {
		first, last, _ := strings.Cut(strings.TrimSpace(r), "-")
		if (first == "" || last == "") && i < len(ranges)-1 {
			return false
		}
		if begin, err := strconv.ParseInt(first, 10, 64); err == nil && begin <= before {
			return false
		}
		if end, err := strconv.ParseInt(last, 10, 64); err == nil {
			before = end
		}
	}
	return true
}
