package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
)

// riffHeader is how much of a WAV or AVI file is read for its header.
const riffHeader = 64 << 10

// placeholder is the least size that programs write into the header if they do not know
// the true one, because they write to a pipe.
const placeholder = math.MaxInt32 - 1<<16

// riffSize returns the size of the whole file according to the header of a WAV, AVI or AIFF
// file, or 0 if the header does not say it.
func riffSize(head []byte) int64 {
	if len(head) < 12 {
		return 0
	}
	var size uint32
	switch string(head[:4]) {
	case "RIFF":
		size = binary.LittleEndian.Uint32(head[4:])
	case "FORM":
		size = binary.BigEndian.Uint32(head[4:])
	}
	if size == 0 || size >= placeholder {
		return 0
	}
	return int64(size) + 8
}

// readRIFF compares the size in the header of a WAV, AVI or AIFF file.
func readRIFF(f io.ReadSeeker, size int64, track int) (structure, error) {
	head, err := readAt(f, 0, make([]byte, riffHeader))
	if err != nil {
		return structure{}, err
	}
	s := structure{known: true, cut: riffSize(head) > size}
	if len(head) > 12 && riffSize(head) > 0 {
		switch string(head[8:12]) {
		case "WAVE":
			s.length = lengthOfSeconds(wavSeconds(head))
		case "AVI ":
			s.length = lengthOfSeconds(aviSeconds(head, track))
		}
	}
	return s, nil
}

// wavSeconds returns the length that the header of a WAV file announces.
func wavSeconds(head []byte) float64 {
	rate := 0.0
	for at := 12; at+8 <= len(head); {
		id, size := string(head[at:at+4]), binary.LittleEndian.Uint32(head[at+4:])
		switch {
		case id == "data" && rate > 0:
			return float64(size) / rate
		case id == "fmt " && at+20 <= len(head):
			rate = float64(binary.LittleEndian.Uint32(head[at+16:])) // bytes a second
		}
		at += 8 + int(min(size, riffHeader)+size%2)
	}
	return 0
}

// aviSeconds returns the length of a track that the header of an AVI file announces.
func aviSeconds(head []byte, track int) float64 {
	at := 0
	for range track + 1 {
		next := bytes.Index(head[at:], []byte("strh"))
		if next < 0 || at+next+8+36 > len(head) {
			return 0
		}
		at += next + 8
	}
	field := func(offset int) float64 { return float64(binary.LittleEndian.Uint32(head[at+offset:])) }
	scale, rate, length := field(20), field(24), field(32)
	return length * scale / rate
}
