package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// randomBytes returns a stream of n bytes that takes almost no processor time to
// generate: one random block, repeated.
func randomBytes(n int64) io.Reader { return io.LimitReader(newRepeatReader(), n) }

func newRepeatReader() *repeatReader {
	block := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(block); i += 8 {
		binary.LittleEndian.PutUint64(block[i:], random.Uint64())
	}
	return &repeatReader{block: block}
}

// repeatReader is a stream, and a file, without end.
type repeatReader struct {
	block  []byte
	offset int
}

func (r *repeatReader) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.offset:])
	r.offset = (r.offset + n) % len(r.block)
	return n, nil
}

// ReadAt reads from the file.
func (r *repeatReader) ReadAt(p []byte, offset int64) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], r.block[(offset+int64(n))%int64(len(r.block)):])
	}
	return len(p), nil
}

// measureUpload compares the throughput of uploads with a handler that only
// writes the body to a file.
func measureUpload(ctx context.Context, h *harness) (float64, string, error) {
	const size = 1 << 30
	s, err := h.start(ctx, "CONVERSIONS=1", "FFMPEG=true", "FFPROBE=true")
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	plainURL, closePlain, err := startPlainServer(h.dir)
	if err != nil {
		return 0, "", err
	}
	defer closePlain()
	var service, plain time.Duration
	for range 3 {
		start := time.Now()
		if err := post(ctx, plainURL, randomBytes(size)); err != nil {
			return 0, "", err
		}
		plain = lower(plain, time.Since(start))

		start = time.Now()
		j, err := s.Upload(ctx, "random.mp4", randomBytes(size))
		if err != nil {
			return 0, "", err
		}
		service = lower(service, time.Since(start))
		if err := s.Remove(ctx, j.ID); err != nil {
			return 0, "", err
		}
	}
	rate := func(d time.Duration) float64 { return size / 1e6 / d.Seconds() }
	return plain.Seconds() / service.Seconds(), fmt.Sprintf("%.0f MB/s, plain handler %.0f MB/s", rate(service), rate(plain)), nil
}

// startPlainServer starts the reference for uploads: a net/http handler that writes the
// body to a file and, as the service does, syncs it before it responds.
func startPlainServer(dir string) (url string, stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		f, err := os.Create(filepath.Join(dir, "plain"))
		if err == nil {
			_, err = io.Copy(f, r.Body)
		}
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
		f.Close()
	})}
	go srv.Serve(l)
	return "http://" + l.Addr().String(), srv.Close, nil
}

func post(ctx context.Context, url string, body io.Reader) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("plain handler: %s", resp.Status)
	}
	return nil
}

// measureMemory returns the process's peak memory during an upload and a download
// of 2 GB each.
func measureMemory(ctx context.Context, h *harness) (float64, string, error) {
	const size = 2_000_000_000
	s, err := h.start(ctx)
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	if _, err := s.peakRSS(); err != nil {
		return 0, "", err
	}
	if _, err := s.Upload(ctx, "random.mp4", randomBytes(size)); err != nil {
		return 0, "", err
	}
	upload, err := s.peakRSS()
	if err != nil {
		return 0, "", err
	}
	j, err := s.convertTiny(ctx, h)
	if err != nil {
		return 0, "", err
	}
	if err := s.replaceMP3(ctx, j.ID, size); err != nil {
		return 0, "", err
	}
	if _, err := s.peakRSS(); err != nil {
		return 0, "", err
	}
	if err := s.Download(ctx, j, io.Discard); err != nil {
		return 0, "", err
	}
	download, err := s.peakRSS()
	return max(upload, download), fmt.Sprintf("upload %.0f MB, download %.0f MB", upload, download), err
}
