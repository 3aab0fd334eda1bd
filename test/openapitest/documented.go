package openapitest

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Names of the parts of a document, in reports and in Scope.Exceptions. A part that several
// operations share by $ref has one name and must occur once.

func operationName(method, path string) string { return method + " " + path }

// responseName is "GET /jobs 200", or "response NoJob".
func responseName(operation string, status int, ref *openapi3.ResponseRef) string {
	if ref.Ref != "" {
		return "response " + path.Base(ref.Ref)
	}
	return fmt.Sprintf("%s %d", operation, status)
}

// parameterName is "GET /jobs parameter limit", or "parameter Wait".
func parameterName(operation, urlPath string, ref *openapi3.ParameterRef) string {
	if ref.Ref != "" {
		return "parameter " + path.Base(ref.Ref)
	}
	return operation + " parameter " + ref.Value.Name
}

// schemaName is the name in the components, or the place.
func schemaName(ref *openapi3.SchemaRef, at string) string {
	if ref.Ref != "" {
		return path.Base(ref.Ref)
	}
	return at
}

// documented returns the names of what is documented for the paths in the scope.
func (r *Recorder) documented(scope Scope) []string {
	d := documented{recorder: r, names: map[string]bool{}, visited: map[string]bool{}}
	for urlPath, item := range r.doc.Paths.Map() {
		if scope.Paths != nil && !scope.Paths(urlPath) {
			continue
		}
		for method, operation := range item.Operations() {
			d.operation(operationName(method, urlPath), method, urlPath, item, operation)
		}
	}
	names := make([]string, 0, len(d.names))
	for name := range d.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

type documented struct {
	recorder       *Recorder
	names, visited map[string]bool
}

func (d *documented) operation(name, method, urlPath string, item *openapi3.PathItem, operation *openapi3.Operation) {
	if method == http.MethodHead { // the handler of GET answers; it must do so once
		d.names[name] = true
		return
	}
	for _, p := range slices.Concat(item.Parameters, operation.Parameters) {
		if p.Value.In != openapi3.ParameterInPath {
			d.names[parameterName(name, urlPath, p)] = true
		}
	}
	if operation.RequestBody != nil {
		for kind, media := range operation.RequestBody.Value.Content {
			d.names[name+" with "+kind] = true
			d.schema(media.Schema, name+" "+kind)
		}
	}
	for status, response := range operation.Responses.Map() {
		d.names[name+" "+status] = true
		var n int
		fmt.Sscan(status, &n)
		at := responseName(name, n, response)
		for kind, media := range response.Value.Content {
			d.names[at+" "+kind] = true
			d.schema(media.Schema, at)
		}
		for _, code := range d.recorder.namedCodes(response.Value) {
			d.names[at+" `"+code+"`"] = true
		}
	}
}

// schema adds the fields of a schema and the values that it enumerates.
func (d *documented) schema(ref *openapi3.SchemaRef, at string) {
	if ref == nil {
		return
	}
	at = schemaName(ref, at)
	if at == "ProblemCode" || d.visited[at] && ref.Ref != "" {
		return // codes of problems are counted for each response
	}
	d.visited[at] = true
	s := ref.Value
	for _, v := range s.Enum {
		d.names[fmt.Sprintf("%s = %v", at, v)] = true
	}
	for _, sub := range slices.Concat(s.OneOf, s.AnyOf) {
		if sub.Value.Const != nil {
			d.names[fmt.Sprintf("%s = %v", at, sub.Value.Const)] = true
		}
		d.schema(sub, at)
	}
	for _, sub := range s.AllOf {
		d.schema(sub, at)
	}
	for field, property := range s.Properties {
		d.names[at+"."+field] = true
		d.schema(property, at+"."+field)
	}
	d.schema(s.Items, at+"[]")
	d.schema(s.AdditionalProperties.Schema, at+"{}")
}

// Missing returns what is documented and has never occurred, and exceptions that have
// occurred or are not documented.
func (r *Recorder) Missing(scope Scope) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var missing []string
	names := r.documented(scope)
	for _, name := range names {
		_, excepted := scope.Exceptions[name]
		switch {
		case !r.seen[name] && !excepted:
			missing = append(missing, name+" is documented but never occurs")
		case r.seen[name] && excepted:
			missing = append(missing, name+" occurs, so it is no exception")
		}
	}
	for name, reason := range scope.Exceptions {
		if !slices.Contains(names, name) || strings.TrimSpace(reason) == "" {
			missing = append(missing, name+" is an exception without a reason, or is not documented")
		}
	}
	slices.Sort(missing)
	return missing
}
