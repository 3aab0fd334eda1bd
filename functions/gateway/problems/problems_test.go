package problems

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mp3converter/shared/conversion"
	"mp3converter/shared/problem"
)

func get(code, accept string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	mux.Handle("GET "+problem.TypePrefix+"{code}", Handler())
	r := httptest.NewRequest("GET", problem.TypePrefix+code, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

// The type of every problem leads to an explanation, and so does every code of a failed job.
func TestEveryCodeIsExplained(t *testing.T) {
	for _, k := range problem.Kinds {
		w := httptest.NewRecorder()
		problem.Write(w, httptest.NewRequest("GET", "/", nil), k)
		var sent struct{ Type string }
		if err := json.Unmarshal(w.Body.Bytes(), &sent); err != nil {
			t.Fatal(err)
		}
		checkExplained(t, strings.TrimPrefix(sent.Type, problem.TypePrefix), Explanation{Of: "request", Status: k.Status, Title: k.Title})
	}
	for _, f := range conversion.Failures {
		checkExplained(t, f.Code, Explanation{Of: "conversion", Title: f.Message})
	}
	for code, advice := range requestAdvice {
		if !strings.HasSuffix(advice, ".") || explain(code) == nil {
			t.Errorf("%s: %q is no sentence, or the code does not exist", code, advice)
		}
	}
}

func checkExplained(t *testing.T, code string, want Explanation) {
	t.Helper()
	var doc document
	if err := json.Unmarshal(get(code, "application/json").Body.Bytes(), &doc); err != nil {
		t.Fatalf("%s: %v", code, err)
	}
	for _, e := range doc.Explanations {
		if e.Of != want.Of {
			continue
		}
		if e.Advice == "" {
			t.Errorf("%s of a %s has no entry in advice.go", code, e.Of)
		}
		if e.Advice = ""; e != want || doc.Code != code {
			t.Errorf("%s: %+v, want %+v", code, e, want)
		}
		return
	}
	t.Errorf("%s of a %s is not explained: %+v", code, want.Of, doc)
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ accept, contentType, contains string }{
		{"text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", "<h1><code>too_large</code></h1>"},
		{"application/json", "application/json", `"code":"too_large"`},
		{"application/problem+json", "application/json", `"code":"too_large"`},
		{"*/*", "text/plain; charset=utf-8", "too_large, error of a job"},
		{"", "text/plain; charset=utf-8", "too_large, status 413 of a request"},
	} {
		w := get("too_large", c.accept)
		if w.Code != 200 || w.Header().Get("Content-Type") != c.contentType || !strings.Contains(w.Body.String(), c.contains) {
			t.Errorf("Accept %q: %d %s\n%s", c.accept, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		// Both meanings of the code are explained.
		for _, text := range []string{problem.TooLarge.Title, conversion.TooLarge.Message} {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("Accept %q: %q is missing", c.accept, text)
			}
		}
	}
}

func TestUnknownCode(t *testing.T) {
	for _, code := range []string{"unknown", "TOO_LARGE", "%3Cscript%3E", ".."} {
		if w := get(code, "text/html"); w.Code == 200 || strings.Contains(w.Body.String(), "<script>") {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
	}
}
