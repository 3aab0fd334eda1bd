package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// recordBody records the fields and values of a JSON response.
func (r *Recorder) recordBody(name string, response *openapi3.Response, media *openapi3.MediaType, body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	if err := r.recordValue(media.Schema, v, name); err != nil {
		return err
	}
	// A problem names its code in the description of the response.
	named := r.namedCodes(response)
	fields, _ := v.(map[string]any)
	code, isProblem := fields["code"].(string)
	if fields["title"] == nil || !isProblem {
		return nil
	}
	if !slices.Contains(named, code) {
		return fmt.Errorf("the description of %s does not name the code %s", name, code)
	}
	r.see(name + " `" + code + "`")
	return nil
}

// recordValue records the fields in v and their values, where the schema enumerates them.
// A field that the schema does not have is an error.
func (r *Recorder) recordValue(ref *openapi3.SchemaRef, v any, at string) error {
	if ref == nil {
		return nil
	}
	at = schemaName(ref, at)
	s := ref.Value
	if len(s.Enum) > 0 {
		r.see(fmt.Sprintf("%s = %v", at, v))
	}
	for _, sub := range slices.Concat(s.OneOf, s.AnyOf) {
		if sub.Value.Const != nil && fmt.Sprint(sub.Value.Const) == fmt.Sprint(v) {
			r.see(fmt.Sprintf("%s = %v", at, v))
		}
	}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := r.recordValue(s.Items, item, at+"[]"); err != nil {
				return err
			}
		}
	case map[string]any:
		for field, item := range v {
			owner, property := findProperty(ref, at, field)
			if property == nil {
				if open(s) {
					continue
				}
				return fmt.Errorf("the field %s of %s is not documented", field, at)
			}
			r.see(owner + "." + field)
			if err := r.recordValue(property, item, owner+"."+field); err != nil {
				return err
			}
		}
	}
	return nil
}

// open reports whether the fields of objects are not listed.
func open(s *openapi3.Schema) bool {
	return s.AdditionalProperties.Schema != nil || len(s.Properties)+len(s.AllOf)+len(s.OneOf)+len(s.AnyOf) == 0
}

// findProperty returns the schema of a field, and the name of the schema that has it.
func findProperty(ref *openapi3.SchemaRef, at, field string) (owner string, property *openapi3.SchemaRef) {
	at = schemaName(ref, at)
	if p := ref.Value.Properties[field]; p != nil {
		return at, p
	}
	for _, sub := range slices.Concat(ref.Value.AllOf, ref.Value.OneOf, ref.Value.AnyOf) {
		if owner, p := findProperty(sub, at, field); p != nil {
			return owner, p
		}
	}
	return "", nil
}

// recordRequest records the parameters and the body of a request that was accepted.
func (r *Recorder) recordRequest(name, path string, item *openapi3.PathItem, operation *openapi3.Operation, req *http.Request) {
	query := req.URL.Query()
	for _, p := range slices.Concat(item.Parameters, operation.Parameters) {
		if p.Value.In == "query" && query.Has(p.Value.Name) || p.Value.In == "header" && req.Header.Get(p.Value.Name) != "" {
			r.see(parameterName(name, path, p))
		}
	}
	if operation.RequestBody == nil {
		return
	}
	content := operation.RequestBody.Value.Content
	if form := content["multipart/form-data"]; form != nil {
		r.recordForm(form.Schema, query, name+" multipart/form-data") // options may be in the query
	}
	kind, params, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	media := content[kind]
	if media == nil {
		return
	}
	r.see(name + " with " + kind)
	body := requestBody(req)
	switch at := name + " " + kind; kind {
	case "application/json":
		var v any
		if json.Unmarshal(body, &v) == nil {
			_ = r.recordValue(media.Schema, v, at) // what is too much was ignored or rejected
		}
	case "application/x-www-form-urlencoded":
		fields, _ := url.ParseQuery(string(body))
		r.recordForm(media.Schema, fields, at)
	case "multipart/form-data":
		r.recordForm(media.Schema, partsOf(body, params["boundary"]), at)
	}
}

func requestBody(req *http.Request) []byte {
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	defer body.Close()
	b, _ := io.ReadAll(body)
	return b
}

// partsOf returns the fields of a form. A file is the field "file", whatever its name is.
func partsOf(body []byte, boundary string) url.Values {
	fields := url.Values{}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		p, err := parts.NextPart()
		if err != nil {
			return fields
		}
		if p.FileName() != "" {
			fields.Set("file", "")
			continue
		}
		b, _ := io.ReadAll(io.LimitReader(p, 1000))
		fields.Set(p.FormName(), string(b))
	}
}

func (r *Recorder) recordForm(schema *openapi3.SchemaRef, fields url.Values, at string) {
	for field := range fields {
		if owner, property := findProperty(schema, at, field); property != nil {
			r.see(owner + "." + field)
			_ = r.recordValue(property, fields.Get(field), owner+"."+field)
		}
	}
}
