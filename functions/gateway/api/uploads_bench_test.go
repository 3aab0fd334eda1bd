package api

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// benchBytes is the size of the file, which BENCH_BYTES changes.
func benchBytes(b *testing.B) int64 {
	s := os.Getenv("BENCH_BYTES")
	if s == "" {
		return 64 << 20
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// onEachBenchStores runs a benchmark on each set of stores.
func onEachBenchStores(b *testing.B, run func(b *testing.B, s *testGateway, size int64)) {
	size := benchBytes(b)
	for name, open := range map[string]func(testing.TB, *setup){"disk": nil, "gridfs": useMongoDB} {
		b.Run(name, func(b *testing.B) {
			s := startGateway(b, func(s *setup) {
				s.Config.MaxUpload = size
				if open != nil {
					open(b, s)
				}
			})
			s.client = &http.Client{Transport: &http.Transport{}}
			run(b, s, size)
		})
	}
}

// BenchmarkResumable compares a resumable upload in one part with a plain upload of the
// same file. The result is a ratio of throughputs, because machines differ.
func BenchmarkResumable(b *testing.B) {
	onEachBenchStores(b, func(b *testing.B, s *testGateway, size int64) {
		var plain, resumable time.Duration
		for b.Loop() {
			begun := time.Now()
			res, text := s.do(b, "POST", "/upload", filmReader(size), "Content-Type", "application/octet-stream")
			if res.StatusCode != http.StatusAccepted {
				b.Fatalf("upload: %d %s", res.StatusCode, text)
			}
			plain += time.Since(begun)
			s.drop(b, decode[jobResponse](b, text).ID)

			begun = time.Now()
			path := s.create(b, int(size), "")
			if res, text := s.tus(b, "PATCH", path, filmReader(size), "Upload-Offset", "0"); res.StatusCode != http.StatusNoContent {
				b.Fatalf("PATCH: %d %s", res.StatusCode, text)
			}
			resumable += time.Since(begun)
			s.drop(b, strings.TrimPrefix(path, "/uploads/"))
		}
		b.ReportMetric(plain.Seconds()/resumable.Seconds(), "tus/plain")
	})
}

// drop deletes a job and its video, so that the next upload finds the stores as this one.
func (s *testGateway) drop(b testing.TB, id string) {
	if res, text := s.do(b, "DELETE", "/jobs/"+id+"?cancel=true", nil); res.StatusCode != http.StatusNoContent {
		b.Fatalf("DELETE: %d %s", res.StatusCode, text)
	}
}

// BenchmarkResumed uploads a file over a connection that breaks 20 times, at random
// points. It reports how many bytes are sent in relation to the size of the file.
func BenchmarkResumed(b *testing.B) {
	const (
		breaks = 20
		pause  = 500 * time.Millisecond // of the client before it tries again
	)
	onEachBenchStores(b, func(b *testing.B, s *testGateway, size int64) {
		var sent int64
		for b.Loop() {
			path := s.create(b, int(size), "")
			for range breaks {
				at := int64(s.offset(b, path))
				sent += s.breakPart(b, path, at, size, rand.Int64N(max(2*(size-at)/breaks, 1)))
				time.Sleep(pause)
			}
			for status := 0; status != http.StatusNoContent; {
				at := int64(s.offset(b, path))
				res, text := s.tus(b, "PATCH", path, io.NewSectionReader(filmAt{}, at, size-at), "Upload-Offset", strconv.FormatInt(at, 10))
				if status = res.StatusCode; status == http.StatusNoContent {
					sent += size - at
				} else if status != http.StatusConflict && status != http.StatusLocked {
					b.Fatalf("PATCH: %d %s", status, text)
				}
			}
			s.drop(b, strings.TrimPrefix(path, "/uploads/"))
		}
		b.ReportMetric(float64(sent)/float64(size)/float64(b.N), "sent/size")
	})
}

// breakPart sends a part and resets the connection after n bytes, so that what is in the
// buffers of the system is lost. It returns how many bytes were sent.
func (s *testGateway) breakPart(b *testing.B, path string, offset, size, n int64) int64 {
	var mu sync.Mutex
	var conn *net.TCPConn
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			mu.Lock()
			conn = c.(*net.TCPConn)
			mu.Unlock()
		}
		return c, err
	}}
	defer transport.CloseIdleConnections()
	broken := errors.New("the connection broke")
	reset := readerFunc(func([]byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		conn.SetLinger(0)
		conn.Close()
		return 0, broken
	})
	req, err := http.NewRequestWithContext(b.Context(), "PATCH", s.url+path, io.MultiReader(io.NewSectionReader(filmAt{}, offset, n), reset))
	if err != nil {
		b.Fatal(err)
	}
	req.ContentLength = size - offset
	req.Header = http.Header{"Authorization": {"Bearer " + s.token}, "Tus-Resumable": {"1.0.0"},
		"Content-Type": {"application/offset+octet-stream"}, "Upload-Offset": {strconv.FormatInt(offset, 10)}}
	if res, err := transport.RoundTrip(req); err == nil {
		res.Body.Close()
		b.Fatalf("the response came before the connection broke: %s", res.Status)
	}
	return n
}

// filmAt is an endless file that looks like a video.
type filmAt struct{}

var filmBlock = film(1 << 20)

func (filmAt) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], filmBlock[(at+int64(n))%int64(len(filmBlock)):])
	}
	return n, nil
}

func filmReader(size int64) io.Reader { return io.NewSectionReader(filmAt{}, 0, size) }

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
