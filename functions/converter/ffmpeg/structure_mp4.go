package ffmpeg

import (
	"context"
	"encoding/binary"
	"io"
)

// maxBoxes limits how many boxes of an MP4 are read: one in three seconds of a fragmented
// MP4 of half a day.
const maxBoxes = 20_000

// boxes is what the outermost boxes of an MP4 say about it.
type boxes struct {
	known bool // all boxes were read
	cut   bool // the last box is longer than the rest of the file or is none, or a segment is
	index bool // there is a moov box, which lists the sound or describes the fragments
}

// readBoxes reads the headers of an MP4's outermost boxes.
func readBoxes(f io.ReadSeeker, size int64) (boxes, error) {
	var found boxes
	head := make([]byte, 16)
	for at, n := int64(0), 0; at < size; n++ {
		if n == maxBoxes {
			return found, nil
		}
		b, err := readAt(f, at, head)
		if err != nil {
			return found, err
		}
		length := boxLength(b, size-at)
		if length == 0 || length > size-at {
			found.cut = true
			break
		}
		switch string(b[4:8]) {
		case "moov":
			found.index = true
		case "sidx":
			end, err := segmentEnd(f, at, length)
			if err != nil {
				return found, err
			}
			found.cut = found.cut || end > size
		}
		at += length
	}
	found.known = true
	return found, nil
}

// maxSegmentIndex limits how much of a sidx box is read, which has 12 bytes for a fragment.
const maxSegmentIndex = 1 << 20

// segmentEnd returns where the fragments end that a sidx box lists. A download may lack
// the last ones.
func segmentEnd(f io.ReadSeeker, at, length int64) (int64, error) {
	b, err := readAt(f, at, make([]byte, min(length, maxSegmentIndex)))
	if err != nil {
		return 0, err
	}
	const version, fields = 8, 20 // offsets
	end, entries := at+length, []byte(nil)
	switch {
	case len(b) >= fields+20 && b[version] != 0:
		end += int64(min(binary.BigEndian.Uint64(b[fields+8:]), 1<<62-1))
		entries = b[fields+20:]
	case len(b) >= fields+12 && b[version] == 0:
		end += int64(binary.BigEndian.Uint32(b[fields+4:]))
		entries = b[fields+12:]
	}
	for ; len(entries) >= 12; entries = entries[12:] {
		end += int64(binary.BigEndian.Uint32(entries) &^ (1 << 31))
	}
	return end, nil
}

// boxLength returns the length of the box that begins with b, or 0 if it is none. rest is
// what is left of the file.
func boxLength(b []byte, rest int64) int64 {
	if len(b) < 8 {
		return 0
	}
	for _, c := range b[4:8] {
		if c < ' ' || c > '~' && c != 0xa9 {
			return 0
		}
	}
	switch length := binary.BigEndian.Uint32(b); {
	case length == 0:
		return rest
	case length == 1 && len(b) >= 16:
		if long := binary.BigEndian.Uint64(b[8:16]); long >= 16 {
			return int64(min(long, 1<<62))
		}
		return 0
	case length < 8:
		return 0
	default:
		return int64(length)
	}
}

// indexLost reports whether the file is an MP4 or QuickTime file without moov box.
func (r *conversionRun) indexLost(ctx context.Context) (bool, error) {
	if !isMP4(r.input.head) {
		return false, nil
	}
	f, err := r.input.store.openVideo(ctx)
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	found, err := readBoxes(f, size)
	return found.cut && !found.index, err
}
