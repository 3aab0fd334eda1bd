package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// maxJSONBody is the largest JSON document in a request, in bytes.
const maxJSONBody = 8 << 10

// readJSON decodes the body of a request, one JSON document without unknown members, into v.
// It returns io.EOF if the body is empty.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJSONBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if decoder.Decode(&struct{}{}) != io.EOF {
		return errors.New("the body is more than one JSON document")
	}
	return nil
}
