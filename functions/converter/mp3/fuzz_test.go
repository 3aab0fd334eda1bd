package mp3_test

import (
	"bytes"
	"io"
	"testing"

	"mp3converter/functions/converter/mp3"
	"mp3converter/functions/converter/mp3/mp3test"
)

// countingReader counts the bytes that a parser reads.
type countingReader struct {
	*bytes.Reader
	read int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	return n, err
}

func addSeeds(f *testing.F) {
	f.Helper()
	f.Add(encode(f, 44100, 2, 5_000, "-b:a", "64k"))
	f.Add(encode(f, 22050, 1, 5_000, "-q:a", "9", "-id3v2_version", "0"))
	f.Add(encode(f, 8000, 1, 5_000, "-b:a", "8k", "-write_xing", "0"))
	f.Add([]byte("ID3\x04\x00\x10\x7f\x7f\x7f\x7f"))
	f.Add(bytes.Repeat([]byte{0xff, 0xfb, 0x90, 0x64}, 300))
}

func FuzzInspect(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &countingReader{Reader: bytes.NewReader(data)}
		info, err := mp3.Inspect(c)
		if c.read > 128<<10 {
			t.Errorf("read %d bytes", c.read)
		}
		if err == nil {
			checkInfo(t, info)
		}
	})
}

func FuzzScan(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := mp3test.Scan(data)
		if err != nil {
			return
		}
		if s.Frames < 0 || s.MinBitrate < 0 || s.MinBitrate > s.MaxBitrate {
			t.Errorf("%+v", s)
		}
		if s.Bytes+s.Junk > int64(len(data)) {
			t.Errorf("%d bytes of audio and %d of junk in %d", s.Bytes, s.Junk, len(data))
		}
	})
}

func checkInfo(t *testing.T, i mp3.Info) {
	t.Helper()
	if i.SampleRate < 8000 || i.SampleRate > 48000 || i.Channels < 1 || i.Channels > 2 {
		t.Errorf("%d Hz, %d channels", i.SampleRate, i.Channels)
	}
	if i.Samples() < 0 || i.Duration() < 0 || i.Frames < 0 || i.Bytes < 0 || i.Bitrate < 0 {
		t.Errorf("negative: %+v", i)
	}
}

// FuzzFrame checks that the parsers of one frame do not panic, and that a header is
// encoded to the bytes it was parsed from.
func FuzzFrame(f *testing.F) {
	data := encode(f, 44100, 2, 5_000, "-b:a", "64k", "-id3v2_version", "0")
	f.Add(data[:208])
	f.Add(data[208:416])
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := mp3.ParseHeader(data)
		if err != nil {
			return
		}
		if b, err := h.Bytes(); err != nil || !bytes.Equal(b[:], data[:4]) {
			t.Errorf("header % x became % x (%v)", data[:4], b, err)
		}
		if _, err := mp3.ParseSideInfo(h, data); err != nil && len(data) > 40 {
			t.Errorf("side information: %v", err)
		}
		_, _ = mp3.ParseXingHeader(data)
		r := mp3.NewReader(bytes.NewReader(data))
		for range len(data) {
			if _, err := r.Next(); err == io.EOF || err != nil {
				break
			}
		}
	})
}
