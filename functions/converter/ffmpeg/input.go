package ffmpeg

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
	"time"
)

// ErrOpen means that the video could not be opened at the start of a conversion.
var ErrOpen = errors.New("open video")

// input is a video that ffmpeg can open and seek in without a copy: a regular
// file is passed as a descriptor; anything else is served over HTTP on the
// loopback interface.
type input struct {
	url       string
	protocols string
	head      []byte // the first bytes
	file      *os.File
	server    *http.Server
	port      uint16 // of the server; 0 if there is none

	store *storeReads
}

// openInput opens the video.
func openInput(ctx context.Context, store *storeReads) (*input, error) {
	in := &input{head: make([]byte, 512), store: store}
	r, err := store.openVideo(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	defer r.Close()
	n, err := io.ReadFull(r, in.head)
	// Not errors.Is: the error of a lost connection wraps io.EOF.
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, fmt.Errorf("read video: %w", err)
	}
	in.head = in.head[:n]
	f, ok := r.ReadSeekCloser.(*os.File)
	if !ok {
		return in, in.serve(ctx)
	}
	// A separate handle: the caller's may be closed when ctx ends, possibly
	// while ffmpeg is being started with it.
	in.file, err = os.Open(f.Name())
	in.url, in.protocols = "file:/dev/fd/3", "file"
	return in, err
}

// serve serves the video at an unguessable URL.
func (in *input) serve(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve video: %w", err)
	}
	path := "/" + rand.Text()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		// Each request has its own reader: ffmpeg seeks with a new request,
		// often before it has closed the old one.
		ctx, cancel := mergeCancel(r.Context(), ctx)
		defer cancel()
		f, err := in.store.openVideo(ctx)
		if err != nil {
			http.Error(w, "cannot open", http.StatusBadGateway)
			return
		}
		defer f.Close()
		http.ServeContent(w, r, "", time.Time{}, f)
	})
	in.server = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug)}
	in.url, in.protocols = "http://"+l.Addr().String()+path, "http,tcp"
	in.port = uint16(l.Addr().(*net.TCPAddr).Port)
	go in.server.Serve(l)
	return nil
}

// mergeCancel returns a copy of ctx that also ends with other.
func mergeCancel(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(other, cancel)
	return ctx, func() { stop(); cancel() }
}

// args returns the arguments that open the video with the allowed decoders, but no file or
// URL that it refers to.
func (in *input) args() []string {
	return []string{"-protocol_whitelist", in.protocols, "-format_whitelist", allowedFormats,
		"-codec_whitelist", allowedDecoders, "-i", in.url}
}

func (in *input) files() []*os.File {
	if in.file == nil {
		return nil
	}
	return []*os.File{in.file}
}

func (in *input) close() {
	if in.file != nil {
		in.file.Close()
	}
	if in.server != nil {
		in.server.Close()
	}
}
