package gridfs

import (
	"io"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"mp3converter/shared/media/mediatest"
	"mp3converter/test/mongotest"
)

// The metric counts what the server sends, not only what is read.
func TestReadBytes(t *testing.T) {
	database := mongotest.Database(t)
	s := open(t, mongotest.URI(t), database)
	data := mediatest.Bytes(20*chunkSize + 9)
	o := put(t, s, data)
	read := func(limit int64) (counted int) {
		before := counter(t, database)
		_, r, err := s.Open(t.Context(), o.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, limit); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		return counter(t, database) - before
	}
	if n := read(int64(len(data))); n != len(data) {
		t.Errorf("%d bytes counted for a file of %d", n, len(data))
	}
	if n := read(1); n != firstBatch*chunkSize {
		t.Errorf("%d bytes counted for the first byte, want those of the first batch", n)
	}
}

// counter returns the metric for a database.
func counter(t *testing.T, database string) int {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "mp3converter_gridfs_read_bytes_total" && m.GetLabel()[0].GetValue() == database {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}
