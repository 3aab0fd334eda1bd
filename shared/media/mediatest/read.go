package mediatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"time"

	"mp3converter/shared/media"
)

func testSeek(t *testing.T, s media.Store) {
	for _, size := range []int{0, 1, 4*Chunk + 99} {
		data := Bytes(size)
		o := put(t, s, object(), data)
		t.Run(fmt.Sprint(size, " iotest"), func(t *testing.T) {
			if err := iotest.TestReader(opened(t, s, o), data); err != nil {
				t.Error(err)
			}
		})
		t.Run(fmt.Sprint(size, " random"), func(t *testing.T) {
			script := make([]byte, 4*200)
			for i := range script {
				script[i] = byte(rand.Uint32())
			}
			defer func() {
				if t.Failed() {
					t.Logf("the script was %x", script)
				}
			}()
			Compare(t, opened(t, s, o), data, script)
		})
	}
}

// Compare runs a script of reads and seeks, four bytes a step, on r and on a
// bytes.Reader, and reports differences.
func Compare(t *testing.T, r io.ReadSeeker, data, script []byte) {
	t.Helper()
	model := bytes.NewReader(data)
	span := len(data) + len(data)/4 + 3 // also beyond the end
	for step := 0; len(script) >= 4; step++ {
		what, arg := script[0], int(script[1])|int(script[2])<<8|int(script[3])<<16
		script = script[4:]
		switch what % 8 {
		case 0, 1, 2: // three seeks, one for each whence
			offset := int64(arg%(2*span) - span)
			got, err := r.Seek(offset, int(what%8))
			want, wantErr := model.Seek(offset, int(what%8))
			if (err == nil) != (wantErr == nil) || err == nil && got != want {
				t.Fatalf("step %d: Seek(%d, %d) = %d, %v; want %d, %v", step, offset, what%8, got, err, want, wantErr)
			}
		case 3: // no such whence
			if _, err := r.Seek(0, 7); err == nil {
				t.Fatalf("step %d: Seek with whence 7 succeeds", step)
			}
		case 4: // the rest
			got, err := io.ReadAll(r)
			want, _ := io.ReadAll(model)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("step %d: ReadAll returned %d bytes, %v; want %d", step, len(got), err, len(want))
			}
		default: // one read, of few bytes or of some chunks
			n := arg % 100
			if what%8 == 7 {
				n = arg % (3 * Chunk)
			}
			got, want := make([]byte, n), make([]byte, n)
			gotN, err := io.ReadFull(r, got)
			wantN, wantErr := io.ReadFull(model, want)
			if gotN != wantN || err != wantErr || !bytes.Equal(got, want) {
				t.Fatalf("step %d: Read of %d bytes returned %d, %v; want %d, %v", step, n, gotN, err, wantN, wantErr)
			}
		}
	}
}

func testReadsEnd(t *testing.T, s media.Store) {
	o := put(t, s, object(), Bytes(20*Chunk))

	ctx, cancel := context.WithCancel(t.Context())
	_, r, err := s.Open(ctx, o.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	ended := false
	for end := time.Now().Add(time.Minute); !ended && time.Now().Before(end); {
		_, seekErr := r.Seek(0, io.SeekStart)
		_, readErr := io.Copy(io.Discard, r)
		ended = seekErr != nil || readErr != nil
	}
	if !ended {
		t.Error("reads succeed after their context has ended")
	}

	closed := opened(t, s, o)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := closed.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Read after Close: %d bytes, %v; want an error that is not the end of the file", n, err)
	}
}

func testServeContent(t *testing.T, s media.Store) {
	data := Bytes(3*Chunk + 5)
	o := put(t, s, object(), data)
	for name, c := range map[string]struct {
		ranges string
		status int
		want   []byte
	}{
		"whole":            {"", http.StatusOK, data},
		"start":            {"bytes=0-9", http.StatusPartialContent, data[:10]},
		"across two":       {"bytes=261110-261130", http.StatusPartialContent, data[261110:261131]},
		"to the end":       {"bytes=300000-", http.StatusPartialContent, data[300000:]},
		"last":             {"bytes=-7", http.StatusPartialContent, data[len(data)-7:]},
		"beyond the end":   {"bytes=9000000-", http.StatusRequestedRangeNotSatisfiable, nil},
		"more than it has": {"bytes=783360-9000000", http.StatusPartialContent, data[783360:]},
	} {
		t.Run(name, func(t *testing.T) {
			q := httptest.NewRequest("GET", "/audio", nil)
			if c.ranges != "" {
				q.Header.Set("Range", c.ranges)
			}
			w := httptest.NewRecorder()
			http.ServeContent(w, q, "song.mp3", o.CreatedAt, opened(t, s, o))
			if w.Code != c.status {
				t.Fatalf("status %d, want %d", w.Code, c.status)
			}
			if c.want != nil && !bytes.Equal(w.Body.Bytes(), c.want) {
				t.Errorf("body of %d bytes differs from the %d wanted", w.Body.Len(), len(c.want))
			}
		})
	}
}

func opened(t *testing.T, s media.Store, o media.Object) io.ReadSeekCloser {
	t.Helper()
	_, r, err := s.Open(t.Context(), o.ID)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
