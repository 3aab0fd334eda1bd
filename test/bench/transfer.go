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

// junk is a stream of n bytes that looks like the beginning of a video and
// costs next to nothing to make.
func junk(n int64) io.Reader {
	block := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(block); i += 8 {
		binary.LittleEndian.PutUint64(block[i:], random.Uint64())
	}
	return io.LimitReader(&repeated{block: block}, n)
}

type repeated struct {
	block []byte
	at    int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}

// upload: throughput against a handler that copies the body to a file.
func upload(ctx context.Context, w *workshop) (float64, string, error) {
	const size = 1 << 30
	s, err := w.start(ctx, "CONVERSIONS=1", "FFMPEG=true", "FFPROBE=true")
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	plain, stop, err := plainHandler(w.dir)
	if err != nil {
		return 0, "", err
	}
	defer stop()
	var ours, bare time.Duration
	for range 3 {
		begin := time.Now()
		if err := post(ctx, plain, size); err != nil {
			return 0, "", err
		}
		bare = best(bare, time.Since(begin))

		begin = time.Now()
		var j job
		if err := s.do(ctx, "POST", "/upload?name=junk.mp4", junk(size), &j); err != nil {
			return 0, "", err
		}
		ours = best(ours, time.Since(begin))
		if err := s.do(ctx, "DELETE", "/jobs/"+j.ID, nil, nil); err != nil {
			return 0, "", err
		}
	}
	rate := func(d time.Duration) float64 { return size / 1e6 / d.Seconds() }
	return bare.Seconds() / ours.Seconds(), fmt.Sprintf("%.0f MB/s, plain handler %.0f MB/s", rate(ours), rate(bare)), nil
}

// plainHandler is what an upload costs at the least: net/http, a file, and the
// same promise that the bytes are on the disk when the answer is sent.
func plainHandler(dir string) (string, func() error, error) {
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

func post(ctx context.Context, url string, size int64) error {
	r, err := http.NewRequestWithContext(ctx, "POST", url, junk(size))
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

// memory: the peak of the process while 2 GB go in and while 2 GB go out. What
// goes out is put in the place of an MP3, for lack of one of that size.
func memory(ctx context.Context, w *workshop) (float64, string, error) {
	const size = 2_000_000_000
	s, err := w.start(ctx)
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	if _, err := s.peakRSS(); err != nil {
		return 0, "", err
	}
	var j job
	if err := s.do(ctx, "POST", "/upload?name=junk.mp4", junk(size), &j); err != nil {
		return 0, "", err
	}
	in, err := s.peakRSS()
	if err != nil {
		return 0, "", err
	}
	small, err := s.tiny(ctx, w)
	if err != nil {
		return 0, "", err
	}
	if err := s.inflate(ctx, small, size); err != nil {
		return 0, "", err
	}
	if _, err := s.peakRSS(); err != nil {
		return 0, "", err
	}
	if err := s.do(ctx, "GET", "/jobs/"+small+"/audio", nil, nil); err != nil {
		return 0, "", err
	}
	out, err := s.peakRSS()
	return max(in, out), fmt.Sprintf("upload %.0f MB, download %.0f MB", in, out), err
}
