// Command registry is the cluster's image registry: an HTTP registry on one
// loopback port that keeps everything in one directory, so that images built
// once are still there for the next cluster.
//
// It is not a registry for anyone else: no authentication, no TLS, no garbage
// collection. The protocol is go-containerregistry's own handler, which keeps
// blobs on disk but manifests in memory; what is added here is that manifests
// are written down, and told to the handler again at the start.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	address := flag.String("address", "127.0.0.1:5000", "where to listen")
	directory := flag.String("directory", "", "where blobs and manifests are kept")
	flag.Parse()
	if *directory == "" {
		log.Fatal("registry: -directory is missing")
	}

	blobs, manifests := filepath.Join(*directory, "blobs"), filepath.Join(*directory, "manifests")
	if err := prepare(*directory); err != nil {
		log.Fatalf("registry: %v", err)
	}
	handler := registry.New(registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)))
	remembered := &memory{next: handler, directory: manifests}
	count, err := remembered.replay()
	if err != nil {
		log.Fatalf("registry: %v", err)
	}

	// Listening comes after the replay: a client that can connect sees every image.
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatalf("registry: %v", err)
	}
	log.Printf("registry: %d manifests in %s, listening on %s", count, *directory, *address)
	server := &http.Server{Handler: remembered, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

// prepare makes the directories that the handlers expect to be there.
func prepare(directory string) error {
	for _, name := range []string{"blobs", "manifests"} {
		if err := os.MkdirAll(filepath.Join(directory, name), 0o755); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	return nil
}
