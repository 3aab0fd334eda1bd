package openapitest

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const document = `
openapi: 3.1.0
info: {title: test, version: "1"}
paths:
  /things:
    get:
      parameters:
        - {name: limit, in: query, schema: {type: integer}}
      responses:
        "200":
          description: The things.
          content:
            application/json:
              schema:
                type: array
                items: {$ref: "#/components/schemas/Thing"}
        "400": {$ref: "#/components/responses/Bad"}
    post:
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties: {name: {type: string}, size: {type: integer}}
      responses:
        "201":
          description: Created.
          headers: {Location: {schema: {type: string}}}
          content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}
        "400": {$ref: "#/components/responses/Bad"}
components:
  responses:
    Bad:
      description: "` + "`bad_name` or `bad_size`" + `."
      content: {application/problem+json: {schema: {$ref: "#/components/schemas/Problem"}}}
  schemas:
    Thing:
      type: object
      properties:
        name: {type: string}
        color: {type: string, enum: [red, blue]}
    Problem:
      type: object
      properties:
        title: {type: string}
        code: {$ref: "#/components/schemas/ProblemCode"}
    ProblemCode:
      oneOf: [{const: bad_name}, {const: bad_size}, {const: unavailable}]
`

// exchange is a request and its response.
type exchange struct {
	method, url, sent string
	status            int
	kind, body        string
	header            string // "Name: value"
}

func (r *Recorder) observe(t *testing.T, e exchange) error {
	t.Helper()
	req, err := http.NewRequest(e.method, "http://localhost"+e.url, strings.NewReader(e.sent))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res := &http.Response{StatusCode: e.status, Header: http.Header{"Content-Type": {e.kind}}, Body: io.NopCloser(strings.NewReader(e.body)), ContentLength: int64(len(e.body))}
	if name, value, ok := strings.Cut(e.header, ": "); ok {
		res.Header.Set(name, value)
	}
	return r.Observe(req, res)
}

const (
	plainJSON   = "application/json"
	problemJSON = "application/problem+json"
)

// everything is what the document describes, each in the exchange that shows it.
var everything = []exchange{
	{"GET", "/things?limit=1", "", 200, plainJSON, `[{"name":"a","color":"red"}]`, ""},
	{"GET", "/things", "", 200, plainJSON, `[{"color":"blue"}]`, ""},
	{"GET", "/things", "", 400, problemJSON, `{"title":"t","code":"bad_name"}`, ""},
	{"POST", "/things", `{"name":"a","size":1}`, 201, plainJSON, `{"name":"a"}`, "Location: /things/a"},
	{"POST", "/things", `{}`, 400, problemJSON, `{"title":"t","code":"bad_size"}`, ""},
}

func newRecorder(t *testing.T) *Recorder {
	t.Helper()
	r, err := New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNothingIsMissing(t *testing.T) {
	r := newRecorder(t)
	for _, e := range everything {
		if err := r.observe(t, e); err != nil {
			t.Errorf("%+v: %v", e, err)
		}
	}
	if missing := r.Missing(Scope{}); len(missing) > 0 {
		t.Errorf("missing: %q", missing)
	}
}

// Without one of the exchanges, or with a part of it, something is missing.
func TestMissing(t *testing.T) {
	for name, c := range map[string]struct {
		without int
		instead exchange
		want    []string
	}{
		"a parameter":         {0, exchange{"GET", "/things", "", 200, plainJSON, `[{"name":"a","color":"red"}]`, ""}, []string{"GET /things parameter limit"}},
		"a value":             {1, exchange{}, []string{"Thing.color = blue"}},
		"a code and a status": {2, exchange{}, []string{"GET /things 400", "response Bad `bad_name`"}},
		"a status":            {2, exchange{"POST", "/things", "", 400, problemJSON, `{"title":"t","code":"bad_name"}`, ""}, []string{"GET /things 400"}},
		"a field of a body":   {3, exchange{"POST", "/things", `{"size":1}`, 201, plainJSON, `{"name":"a"}`, ""}, []string{"POST /things application/json.name"}},
		"an operation": {3, exchange{}, []string{"POST /things 201", "POST /things 201 application/json",
			"POST /things application/json.name", "POST /things application/json.size", "POST /things with application/json"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t)
			for i, e := range everything {
				if i == c.without {
					e = c.instead
				}
				if e.method == "" {
					continue
				}
				if err := r.observe(t, e); err != nil {
					t.Fatal(err)
				}
			}
			var want []string
			exceptions := map[string]string{}
			for _, name := range c.want {
				want = append(want, name+" is documented but never occurs")
				exceptions[name] = "a reason"
			}
			slices.Sort(want)
			if got := r.Missing(Scope{}); !slices.Equal(got, want) {
				t.Errorf("missing %q, want %q", got, want)
			}
			if got := r.Missing(Scope{Exceptions: exceptions}); len(got) > 0 {
				t.Errorf("with exceptions: %q", got)
			}
		})
	}
}

func TestExceptions(t *testing.T) {
	r := newRecorder(t)
	for _, e := range everything {
		if err := r.observe(t, e); err != nil {
			t.Fatal(err)
		}
	}
	for name, reason := range map[string]string{"GET /things 200": "occurs", "GET /things 500": "is not documented"} {
		if got := r.Missing(Scope{Exceptions: map[string]string{name: reason}}); len(got) != 1 || !strings.Contains(got[0], name) {
			t.Errorf("an exception that %s: %q", reason, got)
		}
	}
	none := func(string) bool { return false }
	if got := newRecorder(t).Missing(Scope{Paths: none}); len(got) > 0 {
		t.Errorf("outside of the scope: %q", got)
	}
}

func TestUndocumented(t *testing.T) {
	for name, e := range map[string]exchange{
		"an operation":     {"DELETE", "/things", "", 204, "", "", ""},
		"a path":           {"GET", "/others", "", 200, plainJSON, `{}`, ""},
		"a status":         {"GET", "/things", "", 409, problemJSON, `{}`, ""},
		"a type":           {"GET", "/things", "", 200, "text/plain", `x`, ""},
		"a field":          {"GET", "/things", "", 200, plainJSON, `[{"size":1}]`, ""},
		"a value":          {"GET", "/things", "", 200, plainJSON, `[{"color":"green"}]`, ""},
		"a code":           {"GET", "/things", "", 400, problemJSON, `{"title":"t","code":"unknown"}`, ""},
		"a code elsewhere": {"GET", "/things", "", 400, problemJSON, `{"title":"t","code":"unavailable"}`, ""},
		"a header":         {"GET", "/things", "", 200, plainJSON, `[]`, "Location: /things"},
	} {
		if err := newRecorder(t).observe(t, e); err == nil {
			t.Errorf("%s that is not documented was accepted", name)
		}
	}
	for name, e := range map[string]exchange{
		"an unknown path":   {"GET", "/others", "", 404, "text/plain", "", ""},
		"an unknown method": {"PUT", "/things", "", 405, "text/plain", "", ""},
	} {
		if err := newRecorder(t).observe(t, e); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	preflight := &http.Request{Method: "OPTIONS", URL: &url.URL{Path: "/things"}, Header: http.Header{"Access-Control-Request-Method": {"GET"}}}
	if err := newRecorder(t).Observe(preflight, &http.Response{StatusCode: 204}); err != nil {
		t.Errorf("a preflight request: %v", err)
	}
}
