package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"mp3converter/shared/media"
)

// discardStore is a media store that discards everything and records the size of one object
// and the peak memory use.
type discardStore struct {
	media.Store
	size int64
	peak uint64
}

func (n *discardStore) Put(_ context.Context, o media.Object, r io.Reader) (media.Object, error) {
	err := n.discard(r)
	o.Size = n.size
	return o, err
}

func (n *discardStore) Append(_ context.Context, _ media.Object, offset int64, r io.Reader) (int64, error) {
	err := n.discard(r)
	return n.size - offset, err
}

func (n *discardStore) Written(context.Context, string) (int64, error) { return n.size, nil }

func (n *discardStore) Complete(_ context.Context, o media.Object) (media.Object, error) {
	return o, nil
}

func (n *discardStore) discard(r io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		before := n.size >> 24
		read, err := r.Read(buf)
		n.size += int64(read)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if n.size>>24 != before { // every 16 MiB
			n.peak = max(n.peak, memory().HeapAlloc)
		}
	}
}

func (*discardStore) Free(context.Context) (int64, error) { return 1 << 40, nil }

func memory() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return m
}

// zeroReader returns zeros without end.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestUploadIsStreamed checks that a large upload neither holds nor allocates much
// memory.
func TestUploadIsStreamed(t *testing.T) {
	for name, c := range map[string]struct {
		size                    int64
		head, tail, contentType string
	}{
		"form": {64 << 20, "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\n", "\r\n--x--\r\n", "multipart/form-data; boundary=x"},
		"raw":  {256 << 20, "", "", "video/mp4"},
		"key":  {64 << 20, "", "", "video/mp4"}, // sent twice
	} {
		t.Run(name, func(t *testing.T) {
			videos := &discardStore{}
			s := startGateway(t, func(g *setup) {
				g.Config.MaxUpload = c.size
				g.Videos = videos
			})
			s.client.Transport = &http.Transport{}
			body := io.MultiReader(strings.NewReader(c.head), io.LimitReader(zeroReader{}, c.size), strings.NewReader(c.tail))
			runtime.GC()
			before := memory()
			header := []string{"Content-Type", c.contentType}
			if name == "key" {
				header = append(header, "Idempotency-Key", "k")
				s.do(t, "POST", "/upload", io.LimitReader(zeroReader{}, c.size), header...)
				videos.size = 0
			}
			res, b := s.do(t, "POST", "/upload", body, header...)
			if v := decode[jobResponse](t, b); res.StatusCode != http.StatusAccepted || v.Bytes != c.size {
				t.Fatalf("%d %s", res.StatusCode, b)
			}
			videos.check(t, before)
		})
	}
}

// TestResumableUploadIsStreamed is TestUploadIsStreamed for a part with a checksum.
func TestResumableUploadIsStreamed(t *testing.T) {
	const size = 256 << 20
	videos := &discardStore{}
	s := startGateway(t, func(g *setup) {
		g.Config.MaxUpload = size
		g.Videos = videos
	})
	s.client.Transport = &http.Transport{}
	path := s.create(t, size, "")
	sum := sha256.New()
	if _, err := io.CopyN(sum, zeroReader{}, size); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	before := memory()
	res, b := s.tus(t, "PATCH", path, io.LimitReader(zeroReader{}, size), "Upload-Offset", "0",
		"Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(sum.Sum(nil)))
	if res.StatusCode != http.StatusNoContent || videos.size != size {
		t.Fatalf("%d %s, %d bytes stored", res.StatusCode, b, videos.size)
	}
	videos.check(t, before)
}

// check fails the test if much memory has been used since a time.
func (n *discardStore) check(t *testing.T, before runtime.MemStats) {
	t.Helper()
	grown := int64(n.peak) - int64(before.HeapAlloc)
	allocated := memory().TotalAlloc - before.TotalAlloc
	t.Logf("heap grew by %d KiB, %d KiB allocated in total", grown>>10, allocated>>10)
	if grown > 8<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if allocated > 16<<20 {
		t.Errorf("%d MiB were allocated", allocated>>20)
	}
}
