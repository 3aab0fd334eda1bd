package disk

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
)

const size = 256 << 20

// source hides the type of its reader.
func source(data []byte) io.Reader { return io.LimitReader(bytes.NewReader(data), size) }

func BenchmarkPut(b *testing.B) {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	b.Run("store", func(b *testing.B) {
		s, err := Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(size)
		for b.Loop() {
			o := media.Object{ID: id.New()}
			if _, err := s.Put(b.Context(), o, source(data)); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := s.Delete(b.Context(), o.ID); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	for name, sync := range map[string]bool{"bare": false, "bare+fsync": true} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "f")
			b.SetBytes(size)
			for b.Loop() {
				f, err := os.Create(path)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(f, source(data)); err != nil {
					b.Fatal(err)
				}
				if sync {
					if err := f.Sync(); err != nil {
						b.Fatal(err)
					}
				}
				f.Close()
				b.StopTimer()
				os.Remove(path)
				b.StartTimer()
			}
		})
	}
}
