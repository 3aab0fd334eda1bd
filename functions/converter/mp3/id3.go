package mp3

import (
	"fmt"
	"io"
)

// maxTags bounds how many ID3v2 tags in a row are stepped over. Files that were
// tagged by several careless programs have two or three.
const maxTags = 8

// ID3v2Size returns the length of the ID3v2 tag that b, at least ten bytes,
// begins with: header, body and footer. It is 0 if there is none.
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

// skipTags leaves r behind the ID3v2 tags at its beginning and returns that
// offset.
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
