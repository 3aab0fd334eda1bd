package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

// Download copies a job's MP3 to w.
func (c *Client) Download(ctx context.Context, j Job, w io.Writer) error {
	return c.send(ctx, request{method: http.MethodGet, path: audioPath(j), read: func(a *answer) error {
		_, err := io.Copy(w, a.body)
		return err
	}})
}

// The URL in the job may name another server than this client's.
func audioPath(j Job) string { return "/jobs/" + url.PathEscape(j.ID) + "/audio" }

// DownloadFile appends to f what it lacks of a job's MP3. What f has must be the beginning
// of the same MP3: Job.Audio.ID identifies the content. It goes on after a lost connection.
// progress is called with the number of bytes in f; it may be nil.
func (c *Client) DownloadFile(ctx context.Context, j Job, f *os.File, progress func(bytes int64)) error {
	retries := c.newRetries()
	for {
		have, err := f.Seek(0, io.SeekEnd)
		switch {
		case err != nil:
			return err
		case have == j.Audio.Bytes:
			return nil
		case have > j.Audio.Bytes:
			return fmt.Errorf("%d bytes of an MP3 of %d bytes", have, j.Audio.Bytes)
		}
		w := &fileWriter{f, have, progress}
		err = c.downloadRest(ctx, j, w)
		if w.bytes > have {
			retries.progress()
		}
		if err == nil && w.bytes < j.Audio.Bytes {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			continue
		}
		if err = retries.pause(ctx, err); err != nil {
			return err
		}
	}
}

// downloadRest writes what lies behind the bytes that w has.
func (c *Client) downloadRest(ctx context.Context, j Job, w *fileWriter) error {
	header := http.Header{}
	if w.bytes > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", w.bytes))
		header.Set("If-Range", `"`+j.Audio.ID+`"`)
	}
	accept := func(got int) bool { return got == http.StatusOK || got == http.StatusPartialContent }
	return c.send(ctx, request{method: http.MethodGet, path: audioPath(j), header: header, accept: accept, read: func(a *answer) error {
		if a.StatusCode == http.StatusOK && w.bytes > 0 {
			if err := w.restart(); err != nil {
				return err
			}
		}
		_, err := io.Copy(w, a.body)
		return err
	}})
}

// fileWriter counts what is written to a file.
type fileWriter struct {
	file     *os.File
	bytes    int64
	progress func(int64)
}

func (w *fileWriter) Write(b []byte) (int, error) {
	n, err := w.file.Write(b)
	w.bytes += int64(n)
	if w.progress != nil {
		w.progress(w.bytes)
	}
	return n, err
}

// restart empties the file.
func (w *fileWriter) restart() error {
	w.bytes = 0
	if err := w.file.Truncate(0); err != nil {
		return err
	}
	_, err := w.file.Seek(0, io.SeekStart)
	return err
}
