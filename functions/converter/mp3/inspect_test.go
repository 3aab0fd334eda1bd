package mp3_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/functions/converter/mp3/mp3test"
)

// encode makes an MP3 of noise with ffmpeg. samples is the number per channel.
func encode(t testing.TB, rate, channels, samples int, args ...string) []byte {
	t.Helper()
	bin, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("this test needs ffmpeg: run hack/deps.sh")
	}
	out := filepath.Join(t.TempDir(), "a.mp3")
	argv := append([]string{"-v", "error", "-f", "lavfi", "-i",
		fmt.Sprintf("anoisesrc=r=%d:seed=1,atrim=end_sample=%d", rate, samples),
		"-ac", fmt.Sprint(channels)}, args...)
	if b, err := exec.Command(bin, append(argv, out)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, b)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestInspectAndScanAgreeWithEncoder(t *testing.T) {
	for _, tc := range []struct {
		rate, channels, samples int
		args                    []string
		vbr                     bool
		bitrate                 int // 0: not asserted
	}{
		{44100, 2, 100_000, []string{"-b:a", "192k"}, false, 192_000},
		{44100, 2, 100_000, []string{"-b:a", "64k"}, false, 64_000},
		{48000, 2, 144_000, []string{"-b:a", "320k", "-reservoir", "0"}, false, 320_000},
		{48000, 1, 50_001, []string{"-q:a", "2"}, true, 0},
		{32000, 2, 50_001, []string{"-q:a", "5"}, true, 0},
		{22050, 1, 70_000, []string{"-b:a", "64k"}, false, 64_000},
		{24000, 2, 70_000, []string{"-q:a", "4"}, true, 0},
		{8000, 1, 20_000, []string{"-b:a", "16k"}, false, 16_000},
		{11025, 2, 20_000, []string{"-b:a", "32k"}, false, 32_000},
		{44100, 2, 100_000, []string{"-b:a", "128k", "-metadata", "title=A title", "-id3v2_version", "4"}, false, 128_000},
	} {
		t.Run(fmt.Sprint(tc.rate, tc.channels, tc.args), func(t *testing.T) {
			data := encode(t, tc.rate, tc.channels, tc.samples, tc.args...)
			got, err := mp3.Inspect(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if got.SampleRate != tc.rate || got.Channels != tc.channels || got.VBR != tc.vbr || !got.Exact {
				t.Errorf("got %d Hz, %d channels, VBR %t, exact %t", got.SampleRate, got.Channels, got.VBR, got.Exact)
			}
			if got.Samples() != int64(tc.samples) {
				t.Errorf("%d samples, want %d", got.Samples(), tc.samples)
			}
			want := time.Duration(float64(tc.samples) / float64(tc.rate) * float64(time.Second))
			if d := (got.Duration() - want).Abs(); d > time.Microsecond {
				t.Errorf("duration %v, want %v", got.Duration(), want)
			}
			scan, err := mp3test.Scan(data)
			if err != nil {
				t.Fatal(err)
			}
			if scan.Frames != got.Frames || scan.Bytes != got.Bytes || scan.Junk != 0 || scan.Truncated {
				t.Errorf("counted %d frames, %d bytes, %d junk; header says %d, %d", scan.Frames, scan.Bytes, scan.Junk, got.Frames, got.Bytes)
			}
			if scan.MusicCRC != got.Xing.MusicCRC {
				t.Errorf("music CRC %04x, header says %04x", scan.MusicCRC, got.Xing.MusicCRC)
			}
			if tc.bitrate != 0 && (scan.MinBitrate != tc.bitrate || scan.MaxBitrate != tc.bitrate) {
				t.Errorf("bitrates %d to %d, want %d", scan.MinBitrate, scan.MaxBitrate, tc.bitrate)
			}
		})
	}
}

func TestInspectEstimatesWithoutXingHeader(t *testing.T) {
	data := encode(t, 44100, 2, 441_000, "-b:a", "128k", "-write_xing", "0")
	got, err := mp3.Inspect(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got.Exact || got.HasXing {
		t.Errorf("exact %t, Xing header %t, want an estimate", got.Exact, got.HasXing)
	}
	if d := (got.Duration() - 10*time.Second).Abs(); d > 100*time.Millisecond {
		t.Errorf("duration %v, want about 10s", got.Duration())
	}
}

func TestInspectSkipsTagsAndJunk(t *testing.T) {
	music := encode(t, 44100, 2, 44_100, "-b:a", "128k", "-id3v2_version", "0")
	tag := id3v2(0, 256)
	// More than is searched for the first frame, so only skipping the tag leads there.
	large := id3v2(0, 100_000)
	footed := append(id3v2(0x10, 128), "3DI\x04\x00\x10\x00\x00\x01\x00"...)
	for name, front := range map[string][]byte{
		"nothing":       nil,
		"a tag":         tag,
		"a large tag":   large,
		"two tags":      append(bytes.Clone(tag), large...),
		"a footer":      append(bytes.Clone(footed), large...),
		"eight tags":    append(bytes.Repeat(tag, 7), large...),
		"junk":          bytes.Repeat([]byte{0xff, 0xfb, 0xf0}, 1000),
		"a tag, zeroes": append(bytes.Clone(tag), make([]byte, 3000)...),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mp3.Inspect(bytes.NewReader(append(bytes.Clone(front), music...)))
			if err != nil {
				t.Fatal(err)
			}
			if got.Offset != int64(len(front)) || got.Samples() != 44_100 {
				t.Errorf("offset %d, %d samples; want %d, 44100", got.Offset, got.Samples(), len(front))
			}
		})
	}
}

// id3v2 returns a tag whose body has that many bytes, without the footer that the flags may
// announce.
func id3v2(flags byte, size int) []byte {
	head := []byte{'I', 'D', '3', 4, 0, flags, byte(size >> 21 & 127), byte(size >> 14 & 127), byte(size >> 7 & 127), byte(size & 127)}
	return append(head, make([]byte, size)...)
}

func TestScanReportsDamage(t *testing.T) {
	music := encode(t, 44100, 2, 441_000, "-b:a", "128k", "-id3v2_version", "0")
	whole, err := mp3test.Scan(music)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("cut short", func(t *testing.T) {
		got, err := mp3test.Scan(music[:len(music)-100])
		if err != nil {
			t.Fatal(err)
		}
		if !got.Truncated || got.Frames != whole.Frames-1 {
			t.Errorf("truncated %t, %d frames of %d", got.Truncated, got.Frames, whole.Frames)
		}
	})
	t.Run("junk inside", func(t *testing.T) {
		at := 418 * 100 // after about a hundred frames
		data := append(bytes.Clone(music[:at]), bytes.Repeat([]byte("junk"), 50)...)
		got, err := mp3test.Scan(append(data, music[at:]...))
		if err != nil {
			t.Fatal(err)
		}
		if got.Junk < 200 || got.Frames < whole.Frames-2 {
			t.Errorf("%d bytes of junk, %d frames of %d", got.Junk, got.Frames, whole.Frames)
		}
	})
	t.Run("ID3v1 at the end", func(t *testing.T) {
		tag := append([]byte("TAG"), make([]byte, 125)...)
		got, err := mp3test.Scan(append(bytes.Clone(music), tag...))
		if err != nil {
			t.Fatal(err)
		}
		if got.Junk != 128 || got.Frames != whole.Frames || got.MusicCRC != whole.MusicCRC {
			t.Errorf("%d bytes of junk, %d frames of %d", got.Junk, got.Frames, whole.Frames)
		}
	})
}

func TestNotMP3(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":         nil,
		"text":          bytes.Repeat([]byte("hello "), 50_000),
		"only a tag":    []byte("ID3\x04\x00\x00\x00\x00\x00\x00"),
		"tag past end":  []byte("ID3\x04\x00\x00\x7f\x7f\x7f\x7fabc"),
		"sync and zero": append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 5000)...),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := mp3.Inspect(bytes.NewReader(data)); !errors.Is(err, mp3.ErrNotMP3) {
				t.Errorf("Inspect: %v, want ErrNotMP3", err)
			}
			if _, err := mp3test.Scan(data); !errors.Is(err, mp3.ErrNotMP3) {
				t.Errorf("Scan: %v, want ErrNotMP3", err)
			}
		})
	}
}

func TestEnlarge(t *testing.T) {
	h := mp3.Header{Version: mp3.MPEG1, Mode: mp3.JointStereo, ModeExt: 2, Bitrate: 128_000, SampleRate: 44100, Padding: true, Original: true}
	low := mp3.Header{Version: mp3.MPEG2, Mode: mp3.Mono, Bitrate: 64_000, SampleRate: 22050}
	protected := h
	protected.Protected = true
	for _, tc := range []struct {
		from mp3.Header
		more int
		want int // bits per second; 0: no larger frame
	}{
		{h, 1, 160_000},
		{h, 105, 160_000},
		{h, 106, 192_000},
		{h, 627, 320_000},
		{h, 628, 0},
		{protected, 1, 0},
		{low, 1, 80_000},
		{low, 263, 160_000},
		{low, 400, 0},
	} {
		got, ok := tc.from.Enlarge(tc.more)
		if ok != (tc.want > 0) {
			t.Errorf("%d bit/s, %d bytes more: %t", tc.from.Bitrate, tc.more, ok)
		}
		if !ok {
			continue
		}
		if got.FrameSize() < tc.from.FrameSize()+tc.more {
			t.Errorf("frame of %d bytes became one of %d, want %d more", tc.from.FrameSize(), got.FrameSize(), tc.more)
		}
		same := tc.from
		if same.Bitrate = tc.want; got != same {
			t.Errorf("%+v, %d bytes more: %+v, want only the bitrate changed, to %d", tc.from, tc.more, got, tc.want)
		}
	}
}

func TestVersionOf(t *testing.T) {
	for rate, want := range map[int]mp3.Version{
		44100: mp3.MPEG1, 48000: mp3.MPEG1, 32000: mp3.MPEG1,
		22050: mp3.MPEG2, 24000: mp3.MPEG2, 16000: mp3.MPEG2,
		11025: mp3.MPEG25, 12000: mp3.MPEG25, 8000: mp3.MPEG25,
	} {
		if got, ok := mp3.VersionOf(rate); !ok || got != want {
			t.Errorf("%d Hz: %s, %t; want %s", rate, got, ok, want)
		}
	}
	for _, rate := range []int{0, -1, 4000, 5512, 44101, 88200, 96000} {
		if v, ok := mp3.VersionOf(rate); ok {
			t.Errorf("%d Hz: %s, want no version", rate, v)
		}
	}
}

func TestMaxBitrate(t *testing.T) {
	h := mp3.Header{Version: mp3.MPEG1, SampleRate: 44100, Bitrate: mp3.MaxBitrate}
	if _, err := h.Bytes(); err != nil {
		t.Error(err)
	}
	if larger, ok := h.Enlarge(1); ok {
		t.Errorf("a frame of %d bit/s is larger", larger.Bitrate)
	}
}
