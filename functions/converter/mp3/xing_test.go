package mp3_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"mp3converter/functions/converter/mp3"
)

func TestXingHeaderRoundTrip(t *testing.T) {
	for _, like := range []mp3.Header{
		{Version: mp3.MPEG1, SampleRate: 44100, Bitrate: 192_000, Mode: mp3.JointStereo},
		{Version: mp3.MPEG1, SampleRate: 48000, Bitrate: 32_000, Mode: mp3.Mono}, // the header does not fit into a frame at this bitrate
		{Version: mp3.MPEG2, SampleRate: 22050, Bitrate: 8_000, Mode: mp3.Stereo},
		{Version: mp3.MPEG25, SampleRate: 8000, Bitrate: 64_000, Mode: mp3.Mono},
	} {
		t.Run(fmt.Sprint(like.Version, like.Bitrate), func(t *testing.T) {
			want := mp3.XingHeader{
				VBR: true, Frames: 12_345, Bytes: 6_789_012, HasTOC: true, Quality: 57,
				HasLAME: true, Encoder: "LAME3.100", Method: 4, Lowpass: 18_600, Delay: 576,
				Padding: 1234, Bitrate: 128_000, Stereo: 3, MusicCRC: 0xbeef, CRCValid: true,
			}
			for i := range want.TOC {
				want.TOC[i] = byte(i * 2)
			}
			frame, err := want.Frame(like)
			if err != nil {
				t.Fatal(err)
			}
			h, err := mp3.ParseHeader(frame)
			if err != nil || h.FrameSize() != len(frame) || h.SampleRate != like.SampleRate || h.Mode != like.Mode {
				t.Errorf("header %+v (%v) of a frame of %d bytes", h, err, len(frame))
			}
			if side, err := mp3.ParseSideInfo(h, frame); err != nil || side != (mp3.SideInfo{}) {
				t.Errorf("side information %+v (%v), want silence", side, err)
			}
			got, err := mp3.ParseXingHeader(frame)
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			frame[30] ^= 1
			if got, err := mp3.ParseXingHeader(frame); err == nil && got.CRCValid {
				t.Error("the checksum is still valid after a bit was flipped")
			}
		})
	}
}

func TestXingHeaderOutOfRange(t *testing.T) {
	like := mp3.Header{Version: mp3.MPEG1, SampleRate: 44100, Bitrate: 192_000}
	for name, x := range map[string]mp3.XingHeader{
		"frames":  {Frames: 1 << 32},
		"bytes":   {Bytes: 1 << 32},
		"delay":   {Delay: 4096},
		"padding": {Padding: 4096},
	} {
		if _, err := x.Frame(like); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAudioFrameHasNoXingHeader(t *testing.T) {
	data := encode(t, 44100, 2, 5_000, "-b:a", "64k", "-id3v2_version", "0", "-write_xing", "0")
	r := mp3.NewReader(bytes.NewReader(data))
	f, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mp3.ParseXingHeader(f.Data); !errors.Is(err, mp3.ErrNoXingHeader) {
		t.Errorf("%v, want ErrNoXingHeader", err)
	}
}

func TestTOC(t *testing.T) {
	// Even if frames grow and there are more of them than stored offsets, every entry
	// must be within one step of the exact value.
	var toc mp3.TOCBuilder
	const frames, head = 100_000, 200
	offset := make([]int64, frames)
	for i := range frames {
		offset[i] = toc.Bytes()
		toc.Add(100 + i/100)
	}
	table := toc.Table(head)
	if table[0] != 0 {
		t.Errorf("the table begins at %d, want 0", table[0])
	}
	for i := 1; i < 100; i++ {
		want := float64(offset[frames*i/100]+head) * 256 / float64(toc.Bytes()+head)
		if got := float64(table[i]); got > want+0.01 || got < want-1.1 {
			t.Errorf("entry %d is %v, want %.2f rounded down", i, got, want)
		}
	}
}

func TestReaderRejectsOtherData(t *testing.T) {
	music := encode(t, 44100, 2, 5_000, "-b:a", "64k", "-id3v2_version", "0")
	other := encode(t, 48000, 2, 5_000, "-b:a", "64k", "-id3v2_version", "0")
	for name, data := range map[string][]byte{
		"junk":         append(bytes.Clone(music), "junk"...),
		"other rate":   append(bytes.Clone(music), other...),
		"half a frame": music[:len(music)-1],
		"half a head":  append(bytes.Clone(music), 0xff, 0xfb),
	} {
		t.Run(name, func(t *testing.T) {
			r := mp3.NewReader(bytes.NewReader(data))
			var err error
			for n := 0; err == nil; n++ {
				if n > len(data) {
					t.Fatal("Next never returned an error")
				}
				_, err = r.Next()
			}
			if err.Error() == "EOF" {
				t.Error("Next returned io.EOF, want an error")
			}
		})
	}
}
