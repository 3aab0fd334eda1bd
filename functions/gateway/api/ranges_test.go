package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// tinyRanges returns a Range header with n ranges of one byte.
func tinyRanges(n int) string {
	var b strings.Builder
	b.WriteString("Range: bytes=0-0")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, ",%d-%d", 10*i, 10*i)
	}
	return b.String() + "\r\n"
}

// Each range costs the store a query. A request for many of them, or for overlapping or
// unordered ones, gets the whole file, as RFC 9110 permits.
func TestRangesAreLimited(t *testing.T) {
	var audio *openCounter
	s := startGateway(t, func(g *setup) {
		audio = &openCounter{Store: g.Audio}
		g.Audio = audio
	})
	const size = 100_000
	job := s.convertAs(t, s.token, randomBytes(size))
	_, many, _ := strings.Cut(strings.TrimSpace(tinyRanges(1000)), " ")
	for name, c := range map[string]struct {
		ranges string
		status int
	}{
		"many":                {many, http.StatusOK},
		"one too many":        {"bytes=0-0,10-10,20-20,30-30,40-40", http.StatusOK},
		"overlapping":         {"bytes=0-99,50-149", http.StatusOK},
		"the same":            {"bytes=0-0,0-0", http.StatusOK},
		"unordered":           {"bytes=100-199,0-9", http.StatusOK},
		"open end first":      {"bytes=100-,200-300", http.StatusOK},
		"suffix first":        {"bytes=-100,200-209", http.StatusOK},
		"as many as accepted": {"bytes=0-0,10-10,20-20,30-30", http.StatusPartialContent},
		"open end last":       {"bytes=0-9,100-", http.StatusPartialContent},
		"suffix last":         {"bytes=0-9, -100", http.StatusPartialContent},
		"one":                 {"bytes=5-9", http.StatusPartialContent},
		"not bytes":           {"lines=1-2", http.StatusRequestedRangeNotSatisfiable},
		"not a number":        {"bytes=0-9,x-y", http.StatusRequestedRangeNotSatisfiable},
		"unsatisfiable":       {"bytes=100000-", http.StatusRequestedRangeNotSatisfiable},
	} {
		t.Run(name, func(t *testing.T) {
			before := audio.seekCount()
			res, b := s.do(t, "GET", "/jobs/"+job+"/audio", nil, "Range", c.ranges)
			if res.StatusCode != c.status {
				t.Fatalf("status %d, want %d", res.StatusCode, c.status)
			}
			if res.StatusCode == http.StatusOK && len(b) != size {
				t.Errorf("%d bytes, want the whole file", len(b))
			}
			if seeks := audio.seekCount() - before; seeks > 2+maxRanges {
				t.Errorf("%d seeks in the store", seeks)
			}
		})
	}
}
