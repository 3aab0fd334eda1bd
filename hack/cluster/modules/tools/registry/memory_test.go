package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// serve starts a registry over the directory, as main does.
func serve(t *testing.T, directory string) (address string, count int) {
	t.Helper()
	blobs := registry.NewDiskBlobHandler(filepath.Join(directory, "blobs"))
	m := &memory{registry.New(registry.WithBlobHandler(blobs)), filepath.Join(directory, "manifests")}
	if err := prepare(directory); err != nil {
		t.Fatal(err)
	}
	count, err := m.replay()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), count
}

func reference(t *testing.T, address, rest string) name.Reference {
	t.Helper()
	parsed, err := name.ParseReference(address + rest)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestImagesSurviveARestart(t *testing.T) {
	directory := t.TempDir()
	first, second := must(random.Image(100, 1))(t), must(random.Image(100, 1))(t)
	index := must(random.Index(100, 1, 2))(t)

	address, _ := serve(t, directory)
	for _, image := range []v1.Image{first, second} { // the second push replaces the tag
		if err := remote.Write(reference(t, address, "/a/image:tag"), image); err != nil {
			t.Fatal(err)
		}
	}
	if err := remote.WriteIndex(reference(t, address, "/an/index:tag"), index); err != nil {
		t.Fatal(err)
	}

	address, count := serve(t, directory)
	if count != 4 { // the tag, the index, its two images
		t.Errorf("%d manifests after the restart, want 4", count)
	}
	got, err := remote.Image(reference(t, address, "/a/image:tag"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := must(got.Digest())(t), must(second.Digest())(t); got != want {
		t.Errorf("the tag is %s, want the last one pushed, %s", got, want)
	}
	if _, err := remote.Index(reference(t, address, "/an/index:tag")); err != nil {
		t.Error(err)
	}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
