package gridfs

import (
	"testing"

	"mp3converter/shared/media/mediatest"
	"mp3converter/test/mongotest"
)

// FuzzReader compares sequences of reads and seeks with those of a bytes.Reader.
func FuzzReader(f *testing.F) {
	data := mediatest.Bytes(3*chunkSize + 1)
	f.Add([]byte{0, 1, 0, 0, 5, 9, 0, 0})                            // seek to the start, read a little
	f.Add([]byte{2, 0xff, 0xff, 0xff, 7, 0xff, 0xff, 5, 4, 0, 0, 0}) // beyond the end, some chunks, the rest
	f.Add([]byte{4, 0, 0, 0, 1, 7, 1, 9, 6, 50, 0, 0, 3, 0, 0, 0})
	s := open(f, mongotest.URI(f), mongotest.Database(f))
	o := put(f, s, data)
	f.Fuzz(func(t *testing.T, script []byte) {
		_, r, err := s.Open(t.Context(), o.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		mediatest.Compare(t, r, data, script[:min(len(script), 80)])
	})
}
