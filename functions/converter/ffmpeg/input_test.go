package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

// errStore wraps io.EOF, as MongoDB's error of a lost connection does.
var errStore = fmt.Errorf("database is unreachable: %w", io.EOF)

// failingReader fails at an offset.
type failingReader struct {
	io.ReadSeekCloser
	offset int64
}

func (r failingReader) Read(p []byte) (int, error) {
	at, err := r.Seek(0, io.SeekCurrent)
	if err == nil && at >= r.offset {
		err = errStore
	}
	if err != nil {
		return 0, err
	}
	return r.ReadSeekCloser.Read(p[:min(int64(len(p)), r.offset-at)])
}

// A transport stream has no duration, so half a stream looks like a complete one.
func TestReadErrorIsNotCorruptVideo(t *testing.T) {
	for _, spec := range []samples.Spec{
		{Name: "stream.ts", Video: "mpeg2video", Audio: "mp2", Rate: 48000},
		{Name: "a.mkv", Seconds: 5},
	} {
		in := fileInput(t, makeSample(t, spec))
		open := in.Open
		for _, offset := range []int64{0, 100, 4096, in.Size / 2} {
			in.Open = func(ctx context.Context) (io.ReadSeekCloser, error) {
				r, err := open(ctx)
				return failingReader{r, offset}, err
			}
			if _, _, err := convertInput(t, newConverter(t), in, conversion.Options{}); !errors.Is(err, errStore) {
				t.Errorf("%s at %d: error %v, want the error of the store", spec.Name, offset, err)
			}
		}
	}
}

// countingReader counts the bytes that are read.
type countingReader struct {
	io.ReadSeekCloser
	bytes *atomic.Int64
}

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.ReadSeekCloser.Read(p)
	r.bytes.Add(int64(n))
	return n, err
}

// The store delivers a video once, although ffmpeg seeks to the index and back.
func TestServedInputIsReadOnce(t *testing.T) {
	in := fileInput(t, makeSample(t, samples.Spec{Name: "index at the end.mov", Seconds: 40, Audio: "pcm_s16le"}))
	open := in.Open
	var bytes, opened atomic.Int64
	in.Open = func(ctx context.Context) (io.ReadSeekCloser, error) {
		opened.Add(1)
		r, err := open(ctx)
		return countingReader{r, &bytes}, err
	}
	c := newConverter(t)
	c.memory.Encoders = 1 // more need a second pass
	if _, _, err := convertInput(t, c, in, conversion.Options{}); err != nil {
		t.Fatal(err)
	}
	if ratio := float64(bytes.Load()) / float64(in.Size); ratio > 1.1 {
		t.Errorf("%d bytes were read of a video of %d: %.2f times as many", bytes.Load(), in.Size, ratio)
	}
	if n := opened.Load(); n > 2 {
		t.Errorf("the video was opened %d times; want one reader for the index and one for the rest", n)
	}
}

func TestServedInput(t *testing.T) {
	for _, spec := range []samples.Spec{
		{Name: "index at the end.mp4", Seconds: 8, Picture: "1280x720"},
		{Name: "stream.ts", Video: "mpeg2video", Audio: "mp2", Rate: 48000},
		{Name: "a.mkv"},
	} {
		in := servedInput(fileInput(t, makeSample(t, spec)))
		if _, _, err := convertInput(t, newConverter(t), in, conversion.Options{}); err != nil {
			t.Errorf("%s: %v", spec.Name, err)
		}
	}
}
