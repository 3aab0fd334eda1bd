package ffmpeg

import (
	"bytes"
	"io"
	"math"
	"os"
	"testing"

	"mp3converter/shared/conversion"
)

// ffmpeg finds the fragments that follow damaged ones.
func TestMend(t *testing.T) {
	whole := fragmentedMP4{seconds: 10}.bytes()
	// overwrite damages a fragment from an offset after the beginning of its moof box.
	overwrite := func(b []byte, fragment, from, to int) {
		at := 0
		for range fragment {
			at += bytes.Index(b[at:], []byte("moof")) + 4
		}
		copy(b[at-8+from:at-8+to], noise(to-from))
	}
	for _, c := range []struct {
		name    string
		damage  func([]byte)
		patches int
		left    float64
	}{
		{"nothing", func([]byte) {}, 0, 10},
		{"the beginning of a fragment", func(b []byte) { overwrite(b, 4, 0, 16) }, 1, 9},
		{"the content of a fragment's header", func(b []byte) { overwrite(b, 7, 8, 100) }, 1, 9},
		{"two fragments", func(b []byte) { overwrite(b, 7, 0, 16); overwrite(b, 4, 30, 60) }, 2, 8},
		{"the last fragment", func(b []byte) { overwrite(b, 10, 0, 16) }, 0, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			video := bytes.Clone(whole)
			c.damage(video)
			path := writeVideo(t, video)
			patches, err := findPatches(bytes.NewReader(video), int64(len(video)))
			if err != nil || len(patches) != c.patches {
				t.Fatalf("patches %v, want %d; %v", patches, c.patches, err)
			}
			_, out, err := convertFile(t, path, conversion.Options{Salvage: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := lengthOf(t, out); math.Abs(got-c.left) > 0.1 {
				t.Errorf("%.2f s, want %.2f", got, c.left)
			}
			if stored, err := os.ReadFile(path); err != nil || !bytes.Equal(stored, video) {
				t.Errorf("the stored video has changed: %v", err)
			}
		})
	}
}

func TestPatchedVideo(t *testing.T) {
	content, want := noise(1000), noise(1000)
	patches := []patch{{0, []byte("abc")}, {500, []byte("defghi")}, {998, []byte("jk")}}
	for _, p := range patches {
		copy(want[p.offset:], p.bytes)
	}
	for _, at := range []int64{0, 1, 250, 499, 503, 505, 900, 999} {
		v := &patchedVideo{ReadSeekCloser: readCloser{bytes.NewReader(content)}, patches: patches}
		for _, n := range []int{1, 2, 7, 600} {
			if _, err := v.Seek(at, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, n)
			got, err := io.ReadFull(v, b)
			if rest := min(n, len(want)-int(at)); got != rest || !bytes.Equal(b[:got], want[at:int(at)+got]) {
				t.Errorf("%d bytes at %d: %q, %v", n, at, b[:got], err)
			}
		}
	}
}

type readCloser struct{ io.ReadSeeker }

func (readCloser) Close() error { return nil }

// The structure and the patches of any file are found without a panic and in bounds.
func FuzzStructure(f *testing.F) {
	f.Add(fragmentedMP4{seconds: 2}.bytes())
	f.Add(threeGP(10, amrFrame))
	f.Add(mkv{}.bytes())
	f.Add(avi{}.bytes())
	f.Add(wav(1, 1, 8000, 16, 1<<30, noise(100)))
	f.Fuzz(func(t *testing.T, file []byte) {
		size := int64(len(file))
		for _, format := range []string{"mov,mp4", "matroska,webm", "avi", "wav", "aiff", "mp3", "flac"} {
			s, err := readStructure(bytes.NewReader(file), size, format, 1)
			if err != nil || s.length < 0 {
				t.Errorf("%s: %+v, %v", format, s, err)
			}
		}
		patches, err := findPatches(bytes.NewReader(file), size)
		if err != nil {
			t.Error(err)
		}
		for _, p := range patches {
			if p.offset < 0 || p.offset+int64(len(p.bytes)) > size {
				t.Errorf("patch %v of a file of %d bytes", p, size)
			}
		}
	})
}
