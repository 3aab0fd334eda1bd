package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// maxManifest bounds what one PUT may hold in memory; the specification asks
// registries to accept at least 4 MiB.
const maxManifest = 8 << 20

// memory writes down every manifest that the next handler has accepted: one
// file for each repository and tag (or digest), so a later push replaces it.
type memory struct {
	next      http.Handler
	directory string
}

// record is the request that has to be repeated.
type record struct {
	Path string // of the request's URL: /v2/REPOSITORY/manifests/REFERENCE
	Type string // the manifest's media type
	Body []byte
}

func (m *memory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
		m.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	m.next.ServeHTTP(answer, r)
	if answer.Code == http.StatusCreated {
		// Written before the client hears of it, or a kill in between loses an
		// image that somebody believes to be stored.
		if err := m.write(record{r.URL.Path, r.Header.Get("Content-Type"), body}); err != nil {
			log.Printf("registry: %v", err)
			http.Error(w, "the manifest could not be stored", http.StatusInternalServerError)
			return
		}
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

func (m *memory) write(r record) error {
	encoded, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	name := filepath.Join(m.directory, url.PathEscape(r.Path))
	temporary, err := os.CreateTemp(m.directory, ".new-*")
	if err != nil {
		return fmt.Errorf("store manifest: %w", err)
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(encoded)
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(temporary.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("store manifest: %w", err)
	}
	return nil
}

// replay repeats every stored PUT. An index is refused while a manifest that it
// names is missing, so what was refused is tried again until a round changes
// nothing.
func (m *memory) replay() (int, error) {
	names, err := filepath.Glob(filepath.Join(m.directory, "*manifests*"))
	if err != nil {
		return 0, fmt.Errorf("list manifests: %w", err)
	}
	accepted := 0
	for len(names) > 0 {
		var refused []string
		for _, name := range names {
			ok, err := m.repeat(name)
			if err != nil {
				return accepted, err
			}
			if !ok {
				refused = append(refused, name)
			}
		}
		accepted += len(names) - len(refused)
		if len(refused) == len(names) {
			log.Printf("registry: %d manifests name others that are gone; ignored", len(refused))
			break
		}
		names = refused
	}
	return accepted, nil
}

func (m *memory) repeat(name string) (bool, error) {
	encoded, err := os.ReadFile(name)
	if err != nil {
		return false, fmt.Errorf("read manifest: %w", err)
	}
	var r record
	if err := json.Unmarshal(encoded, &r); err != nil {
		return false, fmt.Errorf("read manifest %s: %w", name, err)
	}
	request := httptest.NewRequest(http.MethodPut, r.Path, bytes.NewReader(r.Body))
	request.Header.Set("Content-Type", r.Type)
	answer := httptest.NewRecorder()
	m.next.ServeHTTP(answer, request)
	return answer.Code == http.StatusCreated, nil
}
