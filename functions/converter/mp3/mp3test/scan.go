// Package mp3test reads whole MP3 files frame by frame, to compare them in tests with
// what their headers claim.
package mp3test

import "mp3converter/functions/converter/mp3"

// Result is what Scan counted, regardless of the Xing header.
type Result struct {
	// Frames and Bytes count the audio frames, without the Xing frame.
	Frames, Bytes int64
	// Junk is how many bytes after the ID3v2 tags belong to no frame. Tags at the
	// end count as junk.
	Junk int64
	// MinBitrate and MaxBitrate are the extremes over the audio frames.
	MinBitrate, MaxBitrate int
	// MusicCRC is the checksum over all audio frames, as in the LAME extension.
	MusicCRC uint16
	// Truncated reports that the last frame is incomplete.
	Truncated bool
}

// Scan walks over every frame of an MP3 file. It fails with mp3.ErrNotMP3 if there is
// none.
func Scan(data []byte) (Result, error) {
	for size := mp3.ID3v2Size(data); size > 0; size = mp3.ID3v2Size(data) {
		data = data[min(size, int64(len(data))):]
	}
	var r Result
	var first mp3.Header
	found, inSync := false, false // inSync: the byte before belongs to a frame
	for len(data) > 0 {
		h, size, ok := frameAt(data)
		switch {
		case !ok || found && !sameStream(first, h):
			// not a frame of this stream
		case size > len(data):
			r.Truncated = r.Truncated || inSync
		case inSync || size == len(data) || frameFollows(data[size:], h):
			r.add(h, data[:size], !found)
			if !found {
				found, first = true, h
			}
			inSync = true
			data = data[size:]
			continue
		}
		inSync = false
		r.Junk++
		data = data[1:]
	}
	if !found {
		return Result{}, mp3.ErrNotMP3
	}
	return r, nil
}

// frameAt parses the header at the beginning of b. The frame may be longer than b.
func frameAt(b []byte) (h mp3.Header, size int, ok bool) {
	h, err := mp3.ParseHeader(b)
	if err != nil {
		return h, 0, false
	}
	size = h.FrameSize()
	return h, size, size >= h.DataOffset()
}

// add counts a frame. The first one may be the Xing frame.
func (r *Result) add(h mp3.Header, frame []byte, first bool) {
	if _, err := mp3.ParseXingHeader(frame); first && err == nil {
		return
	}
	if r.Frames == 0 {
		r.MinBitrate = h.Bitrate
	}
	r.MinBitrate = min(r.MinBitrate, h.Bitrate)
	r.MaxBitrate = max(r.MaxBitrate, h.Bitrate)
	r.MusicCRC = mp3.UpdateCRC(r.MusicCRC, frame)
	r.Frames++
	r.Bytes += int64(len(frame))
}

func sameStream(a, b mp3.Header) bool {
	return a.Version == b.Version && a.SampleRate == b.SampleRate && a.Channels() == b.Channels()
}

// frameFollows reports whether b begins with another frame of the stream, or with a
// tag that may end a file. At the start and after junk, Scan accepts a header only if
// it does.
func frameFollows(b []byte, h mp3.Header) bool {
	if next, err := mp3.ParseHeader(b); err == nil {
		return sameStream(h, next)
	}
	for _, magic := range []string{"TAG", "APETAGEX", "LYRICSBEGIN", "ID3", "3DI"} {
		if len(b) >= len(magic) && string(b[:len(magic)]) == magic {
			return true
		}
	}
	return false
}
