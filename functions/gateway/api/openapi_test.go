package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"mp3converter/functions/gateway/page"
	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// loadOpenAPI returns the OpenAPI document as it is served.
func loadOpenAPI(t testing.TB) *openapi3.T {
	t.Helper()
	raw, err := openAPI.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOpenAPIIsValid(t *testing.T) {
	doc := loadOpenAPI(t)
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("OpenAPI %s, want 3.1", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
}

// codes returns the title and description of each code in a schema of constants.
func codes(t *testing.T, schema string) map[string]string {
	t.Helper()
	listed := make(map[string]string)
	for _, s := range loadOpenAPI(t).Components.Schemas[schema].Value.OneOf {
		code, _ := s.Value.Const.(string)
		if _, twice := listed[code]; twice {
			t.Errorf("%s lists %q twice", schema, code)
		}
		listed[code] = strings.TrimSpace(s.Value.Title + " " + s.Value.Description)
	}
	return listed
}

func TestOpenAPIListsEveryProblem(t *testing.T) {
	want := make(map[string]string)
	for _, k := range problem.Kinds {
		want[k.Code] = fmt.Sprintf("%s Status %d.", k.Title, k.Status)
	}
	checkSame(t, codes(t, "ProblemCode"), want)
}

func TestOpenAPIListsEveryFailure(t *testing.T) {
	want := make(map[string]string)
	for _, f := range conversion.Failures {
		want[f.Code] = f.Message
	}
	checkSame(t, codes(t, "FailureCode"), want)
}

// TestOpenAPINamesEveryCode checks that the code of each problem is mentioned in a
// response with its status, so that readers know where to expect it.
func TestOpenAPINamesEveryCode(t *testing.T) {
	named := make(map[string]bool) // "404 job_not_found"
	for _, path := range loadOpenAPI(t).Paths.Map() {
		for _, op := range path.Operations() {
			for status, answer := range op.Responses.Map() {
				for i, word := range strings.Split(*answer.Value.Description, "`") {
					if i%2 == 1 {
						named[status+" "+word] = true
					}
				}
			}
		}
	}
	for _, k := range problem.Kinds {
		if k.Status == http.StatusMethodNotAllowed || k == problem.NotFound {
			continue // returned for undocumented requests
		}
		if !named[fmt.Sprint(k.Status, " ", k.Code)] {
			t.Errorf("no operation names %s (%d)", k.Code, k.Status)
		}
	}
}

func TestOpenAPINamesEveryState(t *testing.T) {
	var listed []string
	for _, s := range loadOpenAPI(t).Components.Schemas["State"].Value.Enum {
		listed = append(listed, s.(string))
	}
	states := []jobs.State{jobs.Queued, jobs.Converting, jobs.Done, jobs.Failed, jobs.Cancelled}
	var want []string
	for _, s := range states {
		want = append(want, string(s))
	}
	if !slices.Equal(listed, want) {
		t.Errorf("states %v, want %v", listed, want)
	}
}

func TestOpenAPIListsEveryOption(t *testing.T) {
	described := make(map[string]string)
	for name := range loadOpenAPI(t).Components.Schemas["Options"].Value.Properties {
		described[name] = ""
	}
	taken := make(map[string]string)
	for _, o := range conversion.AllOptions {
		taken[o.Name] = ""
	}
	checkSame(t, described, taken)
}

func TestOpenAPIAndRoutesAgree(t *testing.T) {
	described := make(map[string]string)
	for path, item := range loadOpenAPI(t).Paths.Map() {
		for method := range item.Operations() {
			if method == http.MethodHead && item.Get != nil {
				continue // a route for GET also serves HEAD
			}
			described[method+" "+path] = ""
		}
	}
	routed := make(map[string]string)
	for _, routes := range []map[string]http.Handler{new(Gateway).routes(), page.Routes()} {
		for pattern := range routes {
			routed[strings.TrimSuffix(pattern, "{$}")] = ""
		}
	}
	checkSame(t, described, routed)
}

func checkSame(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[k]; !ok {
			t.Errorf("%q is not described", k)
		} else if g != want[k] {
			t.Errorf("%q is described as %q, want %q", k, g, want[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[k]; !ok {
			t.Errorf("%q is described but does not exist", k)
		}
	}
}
