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

	store   *storeReads
	readers readerPool // if there is a server
}

// openInput opens the video.
func openInput(ctx context.Context, store *storeReads) (*input, error) {
	in := &input{head: make([]byte, 512), store: store}
	r, err := store.openVideo(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	n, err := io.ReadFull(r, in.head)
	// Not errors.Is: the error of a lost connection wraps io.EOF.
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		r.Close()
		return nil, fmt.Errorf("read video: %w", err)
	}
	in.head = in.head[:n]
	f, ok := r.ReadSeekCloser.(*os.File)
	if !ok {
		size, err := r.Seek(0, io.SeekEnd)
		r.position = int64(n)
		in.readers.put(r)
		if err != nil {
			return nil, fmt.Errorf("read video: %w", err)
		}
		return in, in.serve(ctx, size)
	}
	defer r.Close()
	// A separate handle: the caller's may be closed when ctx ends, possibly
	// while ffmpeg is being started with it.
	in.file, err = os.Open(f.Name())
	in.url, in.protocols = "file:/dev/fd/3", "file"
	return in, err
}

// sendBuffer is the size of a connection's send buffer. ffmpeg may read a few bytes and
// then seek; what is in the buffer has been read from the store for nothing.
const sendBuffer = 32 << 10

// serve serves the video at an unguessable URL.
func (in *input) serve(ctx context.Context, size int64) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve video: %w", err)
	}
	path := "/" + rand.Text()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		in.store.bytes.Add(openCost)
		body := &videoBody{ctx: ctx, store: in.store, pool: &in.readers, size: size}
		defer body.close()
		// Otherwise ServeContent would read the beginning for each request.
		w.Header().Set("Content-Type", http.DetectContentType(in.head))
		http.ServeContent(w, r, "", time.Time{}, body)
	})
	in.server = &http.Server{
		Handler:  mux,
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			_ = c.(*net.TCPConn).SetWriteBuffer(sendBuffer)
			return ctx
		},
	}
	in.url, in.protocols = "http://"+l.Addr().String()+path, "http,tcp"
	in.port = uint16(l.Addr().(*net.TCPAddr).Port)
	go in.server.Serve(l)
	return nil
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
	in.readers.close()
}
