package ffmpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	"mp3converter/functions/converter/mp3"
)

// structure is what the headers of a file say about its size. It tells a file that was cut
// off from a complete one whose header announces more sound than there is.
type structure struct {
	known  bool          // the file says how many bytes it has
	cut    bool          // and has fewer, or other content where a part of it should begin
	length time.Duration // of the sound in the whole file, if ffprobe does not say it; 0 is unknown
}

// announced returns how much sound the whole file should have. 0 is unknown.
func (s structure) announced(p *plan) time.Duration {
	switch claim := p.probe.expected(); {
	case s.length > 0:
		return s.length
	case claim > 0:
		return claim
	case s.cut || strings.HasPrefix(p.Format.Name, "mpeg"):
		return p.duration()
	}
	return 0
}

// mayHideCut reports whether ffprobe gives the length of what is left of a file of that
// format, or an estimate, if the file was cut off.
func mayHideCut(format string) bool {
	return format == "wav" || format == "avi" || format == "aiff" || format == "mp3"
}

// announcesMore reports whether a file with that beginning is in a format whose header
// hides it if it has more bytes than the file.
func announcesMore(head []byte, size int64) bool {
	return size > 0 && riffSize(head) > size
}

// structure reads the headers of the file. Its errors are those of the store.
func (r *conversionRun) structure(ctx context.Context) (structure, error) {
	f, err := r.input.store.openVideo(ctx)
	if err != nil {
		return structure{}, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return structure{}, err
	}
	found, err := readStructure(f, size, r.plan.Format.Name, r.plan.audio.Index)
	found.cut = found.cut || r.mended
	return found, err
}

func readStructure(f io.ReadSeeker, size int64, format string, track int) (structure, error) {
	switch name, _, _ := strings.Cut(format, ","); name {
	case "mov":
		boxes, err := readBoxes(f, size)
		return structure{known: boxes.known, cut: boxes.cut}, err
	case "matroska":
		return readSegment(f, size)
	case "wav", "avi", "aiff":
		return readRIFF(f, size, track)
	case "mp3":
		return readXing(f, size)
	}
	return structure{}, nil
}

// readAt fills b from an offset, as far as the file goes. Only other errors are returned.
func readAt(f io.ReadSeeker, offset int64, b []byte) ([]byte, error) {
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	n, err := io.ReadFull(f, b)
	// Not errors.Is: the error of a lost connection wraps io.EOF.
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return b[:n], err
}

// readSegment compares the size of Matroska's segment. A file that was written to a pipe
// does not have it.
func readSegment(f io.ReadSeeker, size int64) (structure, error) {
	head, err := readAt(f, 0, make([]byte, 4096))
	if err != nil {
		return structure{}, err
	}
	at := bytes.Index(head, []byte{0x18, 0x53, 0x80, 0x67})
	if at < 0 || at+12 > len(head) || head[at+4] == 0 {
		return structure{}, nil
	}
	// The number of leading zeros is that of further bytes. All ones mean unknown.
	n := bytes.IndexByte([]byte{0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01}, highestBit(head[at+4]))
	value := binary.BigEndian.Uint64(append(make([]byte, 7-n), head[at+4:at+5+n]...)) &^ (1 << (7 * (n + 1)))
	unknown := value == 1<<(7*(n+1))-1
	return structure{known: true, cut: !unknown && value > uint64(size-int64(at+5+n))}, nil
}

func highestBit(b byte) byte {
	for bit := byte(0x80); bit > 0; bit >>= 1 {
		if b&bit != 0 {
			return bit
		}
	}
	return 0
}

// readXing compares the size in the Xing header of an MP3. A part that a program took out of
// a longer MP3 may still have the header of the whole, but it ends with a whole frame.
func readXing(f io.ReadSeeker, size int64) (structure, error) {
	info, err := mp3.Inspect(f)
	if errors.Is(err, mp3.ErrNotMP3) {
		return structure{}, nil
	}
	if err != nil || !info.Exact || info.Xing.Bytes == 0 {
		return structure{}, err
	}
	s := structure{known: true, length: info.Duration()}
	if info.Offset+info.Xing.Bytes <= size {
		return s, nil
	}
	if _, err := f.Seek(info.Offset, io.SeekStart); err != nil {
		return structure{}, err
	}
	for frames := mp3.NewReader(f); err == nil; {
		_, err = frames.Next()
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.cut = true
		return s, nil
	case errors.Is(err, io.EOF), errors.Is(err, mp3.ErrHeader):
		return s, nil
	}
	return structure{}, err
}

// lengthOfSeconds converts seconds that a header claims. 0 is unknown.
func lengthOfSeconds(s float64) time.Duration {
	if !(s > 0 && s < 1e9) { // also for NaN
		return 0
	}
	return time.Duration(s * float64(time.Second))
}
