package ffmpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
)

// maxPatches limits how many damaged places of a video are mended.
const maxPatches = 1000

// patch replaces bytes of the video for ffmpeg.
type patch struct {
	offset int64
	bytes  []byte
}

// mend makes ffmpeg find the fragments of an MP4 that follow a damaged place: it reads from
// box to box, and the first box that is overwritten would end the sound. What is there
// becomes a box without meaning up to the next fragment. The stored video is not changed.
func (r *conversionRun) mend(ctx context.Context) error {
	if !isMP4(r.input.head) {
		return nil
	}
	f, err := r.input.store.openVideo(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	patches, err := findPatches(f, size)
	if err != nil || len(patches) == 0 {
		return err
	}
	slog.InfoContext(ctx, "mending a damaged MP4", "places", len(patches))
	store := &storeReads{clock: r.clock, cancel: r.input.store.cancel, stall: r.input.store.stall}
	open := r.input.store.open
	store.open = func(ctx context.Context) (io.ReadSeekCloser, error) {
		video, err := open(ctx)
		if err != nil {
			return nil, err
		}
		return &patchedVideo{ReadSeekCloser: video, patches: patches}, nil
	}
	mended, err := openInput(ctx, store)
	if err != nil {
		return err
	}
	r.input.close()
	r.input, r.mended = mended, true
	return nil
}

// findPatches reads a fragmented MP4 from box to box and returns the bytes that lead over
// the damaged places.
func findPatches(f io.ReadSeeker, size int64) ([]patch, error) {
	var patches []patch
	fragmented := false
	for at := int64(0); at < size && len(patches) < maxPatches; {
		b, err := readAt(f, at, make([]byte, 16))
		if err != nil {
			return nil, err
		}
		length := boxLength(b, size-at)
		switch {
		case length == 0 && !fragmented:
			return nil, nil
		case length == 0:
			next, err := findFragment(f, at+16, size)
			if err != nil || next == 0 {
				return patches, err
			}
			length = next - at
			patches = append(patches, patch{at, freeBox(length)})
		case string(b[4:8]) == "moof" && length <= size-at:
			fragmented = true
			whole, err := isWholeFragment(f, at, length)
			if err != nil {
				return nil, err
			}
			if !whole {
				patches = append(patches, patch{at + 4, []byte("free")})
			}
		}
		at += length
	}
	return patches, nil
}

// freeBox returns the header of a box without meaning. A box that is larger than 4 GiB has
// a header of 16 bytes.
func freeBox(length int64) []byte {
	if length > math.MaxUint32 {
		return binary.BigEndian.AppendUint64([]byte("\x00\x00\x00\x01free"), uint64(length))
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(length)), "free"...)
}

// maxFragmentHeader limits how much of a fragment's header is checked.
const maxFragmentHeader = 1 << 20

// isWholeFragment reports whether the boxes in a moof box fill it.
func isWholeFragment(f io.ReadSeeker, at, length int64) (bool, error) {
	if length > maxFragmentHeader {
		return true, nil
	}
	b, err := readAt(f, at, make([]byte, length))
	return err == nil && filled(b[8:], "traf"), err
}

// filled reports whether boxes fill b, and other boxes those of the given kind.
func filled(b []byte, kind string) bool {
	for len(b) > 0 {
		n := boxLength(b, int64(len(b)))
		if n == 0 || n > int64(len(b)) || string(b[4:8]) == kind && !filled(b[8:n], "") {
			return false
		}
		b = b[n:]
	}
	return true
}

// findFragment returns the offset of the next moof box after at, or 0 if there is none.
func findFragment(f io.ReadSeeker, at, size int64) (int64, error) {
	const overlap = 16
	buf := make([]byte, 256<<10)
	for ; at < size; at += int64(len(buf) - overlap) {
		b, err := readAt(f, at, buf)
		if err != nil {
			return 0, err
		}
		for i := 0; ; {
			n := bytes.Index(b[i:], []byte("moof"))
			if n < 0 {
				break
			}
			i += n + 4
			// A moof box begins with its size and an mfhd box.
			if start := i - 8; start >= 0 && i+8 <= len(b) && string(b[i+4:i+8]) == "mfhd" {
				return at + int64(start), nil
			}
		}
	}
	return 0, nil
}

// patchedVideo is a video with patches.
type patchedVideo struct {
	io.ReadSeekCloser
	patches []patch
	offset  int64
}

func (v *patchedVideo) Read(b []byte) (int, error) {
	n, err := v.ReadSeekCloser.Read(b)
	for _, p := range v.patches {
		from, to := max(p.offset, v.offset), min(p.offset+int64(len(p.bytes)), v.offset+int64(n))
		if from < to {
			copy(b[from-v.offset:to-v.offset], p.bytes[from-p.offset:])
		}
	}
	v.offset += int64(n)
	return n, err
}

func (v *patchedVideo) Seek(offset int64, whence int) (int64, error) {
	at, err := v.ReadSeekCloser.Seek(offset, whence)
	if err == nil {
		v.offset = at
	}
	return at, err
}

func isMP4(head []byte) bool { return len(head) >= 8 && string(head[4:8]) == "ftyp" }
