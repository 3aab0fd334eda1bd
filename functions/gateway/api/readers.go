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
	return buffered, checkHead(head)
}

// checkHead rejects a file whose first bytes show that it is not a video.
func checkHead(head []byte) error {
	if kind := http.DetectContentType(head); !maybeVideo(kind) {
		return problem.UnsupportedMediaType.WithDetail("The file is %s.", kind)
	}
	return nil
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

// pacedReader reads a request body, which may take any time, as long as the client keeps
// to the pace.
type pacedReader struct {
	body    io.Reader
	control *http.ResponseController
	pace    *pace
}

func (r *pacedReader) Read(p []byte) (int, error) {
	begun := time.Now()
	// Without credit the deadline has passed, and the read fails. Response writers
	// without a connection, as in tests, have no deadlines.
	_ = r.control.SetReadDeadline(begun.Add(r.pace.credit))
	n, err := r.body.Read(p)
	r.pace.record(int64(n), time.Since(begun))
	return n, err
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
