// Package problems serves an explanation of every error code: those of rejected requests,
// whose problem documents refer to it by their type (RFC 9457), and those of failed
// conversions. It creates no errors; they are in shared/problem and shared/conversion.
package problems

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"mp3converter/shared/conversion"
	"mp3converter/shared/problem"
)

// Explanation is what an error code means.
type Explanation struct {
	Of     string `json:"of"`               // "request" or "conversion"
	Status int    `json:"status,omitempty"` // of the response; only of a request
	Title  string `json:"title"`            // what has happened
	Advice string `json:"advice"`           // what to do
}

// explain returns the explanations of a code. A few codes are used for requests and for
// conversions.
func explain(code string) []Explanation {
	var found []Explanation
	for _, k := range problem.Kinds {
		if k.Code == code {
			found = append(found, Explanation{"request", k.Status, k.Title, requestAdvice[code]})
		}
	}
	for _, f := range conversion.Failures {
		if f.Code == code {
			found = append(found, Explanation{"conversion", 0, f.Message, conversionAdvice[code]})
		}
	}
	return found
}

//go:embed problem.html
var pageText string

var page = template.Must(template.New("problem").Parse(pageText))

type document struct {
	Code         string        `json:"code"`
	Explanations []Explanation `json:"explanations"`
}

// Handler serves the explanation of the code in the path: as HTML for browsers, as JSON for
// clients that accept it, and as text for all others.
func Handler() http.Handler {
	return problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		d := document{Code: r.PathValue("code")}
		if d.Explanations = explain(d.Code); d.Explanations == nil {
			return problem.NotFound
		}
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		h.Add("Vary", "Accept")
		h.Set("X-Content-Type-Options", "nosniff")
		switch accept := r.Header.Get("Accept"); {
		case strings.Contains(accept, "text/html"):
			h.Set("Content-Type", "text/html; charset=utf-8")
			h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")
			h.Set("Referrer-Policy", "no-referrer")
			return page.Execute(w, d)
		case strings.Contains(accept, "json"):
			h.Set("Content-Type", "application/json")
			return json.NewEncoder(w).Encode(d)
		default:
			h.Set("Content-Type", "text/plain; charset=utf-8")
			writeText(w, d)
			return nil
		}
	})
}

func writeText(w http.ResponseWriter, d document) {
	for i, e := range d.Explanations {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if e.Of == "request" {
			fmt.Fprintf(w, "%s, status %d of a request\n", d.Code, e.Status)
		} else {
			fmt.Fprintf(w, "%s, error of a job\n", d.Code)
		}
		fmt.Fprintf(w, "\n%s\n%s\n", e.Title, e.Advice)
	}
}
