// Package openapitest holds tests of a package against an OpenAPI document, in both
// directions. A Recorder checks each exchange of a request and a response: its status,
// media type, fields and values must be documented. It also records them. When all tests
// of a package have run, Main reports what is documented but has never occurred.
//
// It sends no requests of its own. Whether a rejected request was rightly rejected is not
// its subject.
package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Recorder records which parts of a document have occurred. It is safe for concurrent use.
type Recorder struct {
	doc   *openapi3.T
	mux   *http.ServeMux // finds the path of a request in the document
	codes []string       // of problems

	mu   sync.Mutex
	seen map[string]bool // by the names that documented returns
}

// New returns a recorder for the text of a document. The codes of problems are the
// constants in the schema ProblemCode.
func New(document []byte) (*Recorder, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	r := &Recorder{doc: doc, mux: http.NewServeMux(), seen: map[string]bool{}}
	for path := range doc.Paths.Map() {
		pattern := path
		if path == "/" {
			pattern = "/{$}"
		}
		r.mux.HandleFunc(pattern, http.NotFound)
	}
	if s := doc.Components.Schemas["ProblemCode"]; s != nil {
		for _, code := range s.Value.OneOf {
			r.codes = append(r.codes, fmt.Sprint(code.Value.Const))
		}
	}
	return r, nil
}

// Transport returns a transport that sends requests through via and fails the test for
// each exchange that is not documented.
func (r *Recorder) Transport(t testing.TB, via *http.Transport) http.RoundTripper {
	return &transport{via, r, t}
}

type transport struct {
	*http.Transport
	recorder *Recorder
	t        testing.TB
}

func (c *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := c.Transport.RoundTrip(req)
	if err == nil {
		if err := c.recorder.Observe(req, res); err != nil {
			c.t.Errorf("%s %s status %d does not match the OpenAPI document: %v", req.Method, req.URL.Path, res.StatusCode, err)
		}
	}
	return res, err
}

// Observe records an exchange, and returns an error if it is not documented. It reads the
// body of a response only if it is JSON, and replaces it by a copy. The body of the request
// is taken into account if it has GetBody.
func (r *Recorder) Observe(req *http.Request, res *http.Response) error {
	if req.Method == http.MethodOptions && req.Header.Get("Access-Control-Request-Method") != "" {
		return nil // a preflight request of CORS
	}
	path := r.path(req)
	item := r.doc.Paths.Value(path)
	if item == nil || item.GetOperation(req.Method) == nil {
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
			return errors.New("the operation is not documented")
		}
		return nil
	}
	operation := item.GetOperation(req.Method)
	response := operation.Responses.Status(res.StatusCode)
	if response == nil {
		return errors.New("the status is not documented")
	}
	name := operationName(req.Method, path)
	r.see(fmt.Sprintf("%s %d", name, res.StatusCode))
	if res.StatusCode < 400 {
		r.see(name)
		r.recordRequest(name, path, item, operation, req)
	}
	if res.ContentLength == 0 && len(response.Value.Content) == 0 || req.Method == http.MethodHead {
		return nil
	}
	at := responseName(name, res.StatusCode, response)
	if err := checkHeaders(at, response.Value, res.Header); err != nil {
		return err
	}
	route := &routers.Route{Spec: r.doc, Path: path, PathItem: item, Method: req.Method, Operation: operation}
	return r.checkBody(at, route, response.Value, req, res)
}

// checkBody records the body of a response with the given name, and returns an error if it
// is not documented.
func (r *Recorder) checkBody(at string, route *routers.Route, response *openapi3.Response, req *http.Request, res *http.Response) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	media := response.Content.Get(kind)
	switch {
	case media == nil && kind != "":
		return fmt.Errorf("the type %q is not documented", kind)
	case media == nil:
		return nil
	}
	r.see(at + " " + kind)
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := r.recordBody(at, response, media, body); err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: route},
		Status:                 res.StatusCode,
		Header:                 res.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	})
}

// path returns the path of a request as the document has it, or "".
func (r *Recorder) path(req *http.Request) string {
	_, pattern := r.mux.Handler(&http.Request{Method: req.Method, URL: req.URL})
	return strings.TrimSuffix(pattern, "{$}")
}

func (r *Recorder) see(names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		r.seen[name] = true
	}
}

// describedHeaders are the headers that a response has only if it is documented to have
// them.
var describedHeaders = []string{"Location", "Link", "Retry-After", "WWW-Authenticate"}

func checkHeaders(name string, response *openapi3.Response, header http.Header) error {
	for _, h := range describedHeaders {
		if header.Get(h) != "" && response.Headers[h] == nil {
			return fmt.Errorf("the header %s is not documented for %s", h, name)
		}
	}
	return nil
}

// namedCodes returns the codes of problems that the description of a response names.
func (r *Recorder) namedCodes(response *openapi3.Response) []string {
	var named []string
	for i, word := range strings.Split(*response.Description, "`") {
		if i%2 == 1 && slices.Contains(r.codes, word) {
			named = append(named, word)
		}
	}
	return named
}
