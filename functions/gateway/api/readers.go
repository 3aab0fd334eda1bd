package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"mp3converter/shared/problem"
)

// sniffLen is how many bytes http.DetectContentType considers.
const sniffLen = 512

// sniff rejects a file whose first bytes show that it is not a video. The
// reader that it returns reads the whole file.
func sniff(file io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(file, 64<<10)
	head, err := buffered.Peek(sniffLen)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(head) == 0 {
		return nil, problem.EmptyFile
	}
	if kind := http.DetectContentType(head); !maybeVideo(kind) {
		return nil, problem.UnsupportedMediaType.WithDetail("The file is %s.", kind)
	}
	return buffered, nil
}

// maybeVideo rejects media types that are certainly not videos. For all others
// the converter decides.
func maybeVideo(kind string) bool {
	for _, prefix := range []string{"text/", "image/", "font/", "application/pdf", "application/zip", "application/x-gzip", "application/x-rar", "application/wasm", "application/postscript"} {
		if strings.HasPrefix(kind, prefix) {
			return false
		}
	}
	return true
}

// limitedReader is like io.LimitedReader, but fails with TooLarge beyond the limit.
type limitedReader struct {
	r           io.Reader
	left, limit int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, problem.TooLarge.WithDetail("The limit is %d bytes.", l.limit)
	}
	return n, err
}

// idleTimeoutReader reads a request body. It extends the connection's read
// deadline while data keeps arriving, so that a body may take any time.
type idleTimeoutReader struct {
	body     io.Reader
	control  *http.ResponseController
	timeout  time.Duration
	extended time.Time // when the deadline was last moved
}

func (r *idleTimeoutReader) Read(p []byte) (int, error) {
	// Once a second is enough, and saves system calls.
	if now := time.Now(); now.Sub(r.extended) > time.Second {
		r.extended = now
		// Response writers without a connection, as in tests, have no deadlines.
		_ = r.control.SetReadDeadline(now.Add(r.timeout + time.Second))
	}
	return r.body.Read(p)
}

// errRequestBody marks an error of reading the request, as opposed to storing it.
var errRequestBody = errors.New("read request body")

// requestErrorReader marks the errors of a reader with errRequestBody.
type requestErrorReader struct{ io.Reader }

func (r requestErrorReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errRequestBody, err)
	}
	return n, err
}
