package mp3

import (
	"fmt"
	"io"
)

// maxTags is how many consecutive ID3v2 tags are skipped. Files that were tagged by
// several programs have two or three.
const maxTags = 8

// ID3v2Size returns the length of the ID3v2 tag at the beginning of b: header, body
// and footer. It needs the first ten bytes, and returns 0 if there is no tag.
func ID3v2Size(b []byte) int64 {
	if len(b) < 10 || string(b[:3]) != "ID3" || b[3] == 0xff || b[4] == 0xff {
		return 0
	}
	var size int64
	for _, x := range b[6:10] {
		if x&0x80 != 0 {
			return 0
		}
		size = size<<7 | int64(x)
	}
	if b[5]&0x10 != 0 {
		size += 10
	}
	return size + 10
}

// skipTags moves r past the ID3v2 tags at its beginning and returns the offset.
func skipTags(r io.ReadSeeker) (int64, error) {
	var at int64
	for range maxTags {
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			return 0, fmt.Errorf("seeking to %d: %w", at, err)
		}
		var head [10]byte
		n, err := io.ReadFull(r, head[:])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return 0, fmt.Errorf("reading at %d: %w", at, err)
		}
		size := ID3v2Size(head[:n])
		if size == 0 {
			break
		}
		at += size
	}
	if _, err := r.Seek(at, io.SeekStart); err != nil {
		return 0, fmt.Errorf("seeking to %d: %w", at, err)
	}
	return at, nil
}
