package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"mp3converter/shared/media"
)

// input is a video as ffmpeg can open it, seekable and without a copy: a file
// that the media store keeps is handed over as a descriptor, anything else is
// served to ffmpeg, and to nobody else, over HTTP on the loopback interface.
type input struct {
	url       string
	protocols string
	head      []byte // the first bytes
	file      *os.File
	server    *http.Server

	mu  sync.Mutex
	err error // of reading from the store
}

func openInput(ctx context.Context, videos media.Store, video string) (*input, error) {
	_, r, err := videos.Open(ctx, video)
	if err != nil {
		return nil, fmt.Errorf("open video: %w", err)
	}
	in := &input{head: make([]byte, 512)}
	n, err := io.ReadFull(r, in.head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		r.Close()
		return nil, fmt.Errorf("read video: %w", err)
	}
	in.head = in.head[:n]
	defer r.Close()
	f, ok := r.(*os.File)
	if !ok {
		return in, in.serve(ctx, videos, video)
	}
	// A handle of our own: the store's is closed when ctx ends, which may be
	// while ffmpeg is being started with it.
	in.file, err = os.Open(f.Name())
	in.url, in.protocols = "file:/dev/fd/3", "file"
	return in, err
}

// serve offers the video under an address that cannot be guessed.
func (in *input) serve(ctx context.Context, videos media.Store, video string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve video: %w", err)
	}
	secret := "/" + rand.Text()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+secret, func(w http.ResponseWriter, r *http.Request) {
		// Each request its own reader: ffmpeg seeks by a new request, often
		// before it has dropped the old one.
		reading, cancel := context.WithCancel(r.Context())
		defer context.AfterFunc(ctx, cancel)()
		defer cancel()
		_, f, err := videos.Open(reading, video)
		if err != nil {
			in.fail(reading, err)
			http.Error(w, "cannot open", http.StatusBadGateway)
			return
		}
		defer f.Close()
		http.ServeContent(w, r, "", time.Time{}, &watched{f, func(err error) { in.fail(reading, err) }})
	})
	in.server = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug)}
	in.url, in.protocols = "http://"+l.Addr().String()+secret, "http,tcp"
	go in.server.Serve(l)
	return nil
}

// args are the options that open the video and nothing but it.
func (in *input) args() []string {
	return []string{"-protocol_whitelist", in.protocols, "-format_whitelist", formats, "-i", in.url}
}

func (in *input) files() []*os.File {
	if in.file == nil {
		return nil
	}
	return []*os.File{in.file}
}

func (in *input) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // ffmpeg seeks elsewhere, or is done
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == nil {
		in.err = err
	}
}

// blame returns the store's error, if there was one, in place of what ffmpeg
// made of it: a video that could not be read is not corrupt, nor is what was
// made of a part of it an MP3 of the whole.
func (in *input) blame(err error) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err != nil {
		return fmt.Errorf("read video: %w", in.err)
	}
	return err
}

func (in *input) close() {
	if in.file != nil {
		in.file.Close()
	}
	if in.server != nil {
		in.server.Close()
	}
}

// watched reports the errors of a reader.
type watched struct {
	io.ReadSeeker
	report func(error)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadSeeker.Read(p)
	if err != nil && err != io.EOF {
		w.report(err)
	}
	return n, err
}
