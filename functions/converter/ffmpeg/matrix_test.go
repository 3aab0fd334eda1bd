package ffmpeg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/shared/conversion"
)

// codec is an audio codec and the arguments that encode it.
type codec struct {
	name string
	args string // of ffmpeg
	rate int
}

var (
	aac     = codec{"AAC", "aac", 44100}
	mp3C    = codec{"MP3", "libmp3lame", 44100}
	mp2     = codec{"MP2", "mp2", 48000}
	ac3     = codec{"AC-3", "ac3", 48000}
	eac3    = codec{"E-AC-3", "eac3", 48000}
	dts     = codec{"DTS", "dca -strict -2", 48000}
	opus    = codec{"Opus", "libopus", 48000}
	vorbis  = codec{"Vorbis", "libvorbis", 44100}
	flacC   = codec{"FLAC", "flac -strict -2", 44100}
	alacC   = codec{"ALAC", "alac", 44100}
	truehd  = codec{"TrueHD", "truehd -strict -2", 48000}
	wmav1   = codec{"WMA 1", "wmav1", 44100}
	wmav2   = codec{"WMA 2", "wmav2", 44100}
	pcm16   = codec{"PCM 16 bit", "pcm_s16le", 44100}
	pcm48   = codec{"PCM 16 bit", "pcm_s16le", 48000}
	pcm16be = codec{"PCM 16 bit BE", "pcm_s16be", 44100}
	pcm24   = codec{"PCM 24 bit", "pcm_s24le", 48000}
	pcm32f  = codec{"PCM float", "pcm_f32le", 48000}
	pcm8    = codec{"PCM 8 bit", "pcm_u8", 22050}
	mulaw   = codec{"µ-law", "pcm_mulaw", 8000}
	alaw    = codec{"A-law", "pcm_alaw", 8000}
	adpcm   = codec{"ADPCM MS", "adpcm_ms", 44100}
	adpcmI  = codec{"ADPCM IMA", "adpcm_ima_wav", 44100}
	adpcmS  = codec{"ADPCM SWF", "adpcm_swf", 44100}
	wavpack = codec{"WavPack", "wavpack", 44100}
	tta     = codec{"TTA", "tta", 44100}
	speex   = codec{"Speex", "libspeex", 16000}
	ra144   = codec{"RealAudio 1.0", "real_144", 8000}
	gsm     = codec{"GSM", "libgsm_ms", 8000}
)

// matrix lists the containers, with a usual video codec, and their audio codecs.
var matrix = []struct {
	container, ext, video string
	codecs                []codec
}{
	{"MP4", "mp4", "libx264 -preset ultrafast -pix_fmt yuv420p", []codec{aac, mp3C, ac3, eac3, opus, flacC, alacC, vorbis, dts, mp2}},
	{"M4A", "m4a", "", []codec{aac, alacC}},
	{"QuickTime", "mov", "mpeg4", []codec{aac, mp3C, ac3, alacC, pcm16, pcm16be, pcm24, pcm32f, mulaw, alaw, adpcmI}},
	{"3GP", "3gp", "h263 -s 176x144", []codec{aac}},
	{"Matroska", "mkv", "libx264 -preset ultrafast -pix_fmt yuv420p", []codec{aac, mp3C, mp2, ac3, eac3, dts, opus, vorbis, flacC, alacC, truehd, pcm16, pcm24, pcm32f, wavpack, tta}},
	{"WebM", "webm", "libvpx -deadline realtime", []codec{opus, vorbis}},
	{"AVI", "avi", "mpeg4", []codec{mp3C, mp2, ac3, aac, pcm16, pcm8, adpcm, adpcmI, mulaw, alaw, dts, wmav2}},
	{"MPEG-TS", "ts", "mpeg2video", []codec{aac, mp2, mp3C, ac3, eac3, dts, opus}},
	{"MPEG-PS", "mpg", "mpeg2video", []codec{mp2, mp3C, ac3, dts, pcm16be}},
	{"DVD", "vob", "mpeg2video", []codec{mp2, ac3}},
	{"Flash", "flv", "flv", []codec{mp3C, aac, adpcmS}},
	{"Windows Media", "wmv", "wmv2", []codec{wmav1, wmav2, mp3C, ac3}},
	{"Ogg", "ogv", "libtheora", []codec{vorbis, opus, flacC, speex}},
	{"RealMedia", "rm", "rv10 -s 176x144", []codec{ac3, ra144}},
	{"MXF", "mxf", "mpeg2video", []codec{pcm48, pcm24}},
	{"NUT", "nut", "mpeg4", []codec{vorbis, mp3C, pcm16}},
	{"WAV", "wav", "", []codec{pcm16, pcm24, pcm32f, adpcm, mulaw, gsm}},
	{"AIFF", "aiff", "", []codec{pcm16be}},
	{"CAF", "caf", "", []codec{alacC, pcm16, opus}},
	{"AU", "au", "", []codec{pcm16be, mulaw}},
	{"Ogg audio", "ogg", "", []codec{vorbis, opus, speex}},
	{"FLAC", "flac", "", []codec{flacC}},
	{"MP3", "mp3", "", []codec{mp3C}},
	{"ADTS", "aac", "", []codec{aac}},
	{"AC-3", "ac3", "", []codec{ac3}},
	{"DTS", "dts", "", []codec{dts}},
	{"WavPack", "wv", "", []codec{wavpack}},
	{"TTA", "tta", "", []codec{tta}},
}

// Every combination is converted to an MP3 of the right length. Without CONVERSION=all,
// only the first codec of each container is tested.
func TestMatrix(t *testing.T) {
	const length = 3 * time.Second
	var mu sync.Mutex
	passed := map[string][]string{}
	t.Run("formats", func(t *testing.T) {
		for _, row := range matrix {
			for i, c := range row.codecs {
				if i > 0 && !long {
					break
				}
				t.Run(row.container+" "+c.name, func(t *testing.T) {
					t.Parallel()
					path := filepath.Join(t.TempDir(), "sample."+row.ext)
					makeFormat(t, path, row.video, c, length)
					_, out, err := convertFile(t, path, conversion.Options{})
					if err != nil {
						t.Fatal(err)
					}
					f, err := os.Open(out)
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					info, err := mp3.Inspect(f)
					// Some codecs pad the last packet.
					if err != nil || !info.HasXing || (info.Duration()-length).Abs() > 150*time.Millisecond {
						t.Errorf("MP3 of %v, want %v; %v", info.Duration(), length, err)
					}
					mu.Lock()
					defer mu.Unlock()
					passed[row.container] = append(passed[row.container], c.name)
				})
			}
		}
	})
	n := 0
	for _, codecs := range passed {
		n += len(codecs)
	}
	t.Logf("%d combinations of container and codec", n)
	if path := os.Getenv("MATRIX_TABLE"); path != "" && !t.Failed() {
		if err := os.WriteFile(path, []byte(matrixTable(passed)), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// matrixTable is the table of docs/conversion.md.
func matrixTable(passed map[string][]string) string {
	var b strings.Builder
	b.WriteString("| container | audio codecs |\n|---|---|\n")
	for _, row := range matrix {
		var names []string
		for _, c := range row.codecs {
			for _, p := range passed[row.container] {
				if p == c.name {
					names = append(names, p)
				}
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", row.container, strings.Join(names, ", "))
	}
	return b.String()
}

func makeFormat(t *testing.T, path, video string, c codec, length time.Duration) {
	t.Helper()
	layout := "stereo"
	if c.rate <= 16000 && c != speex {
		layout = "mono"
	}
	args := []string{"-v", "error", "-nostdin", "-y"}
	if video != "" {
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=176x144:rate=25:duration=%g", length.Seconds()))
	}
	args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:sample_rate=%d:duration=%g,aformat=channel_layouts=%s", c.rate, length.Seconds(), layout))
	if video != "" {
		args = append(append(args, "-c:v"), strings.Fields(video)...)
	}
	args = append(append(args, "-c:a"), strings.Fields(c.args)...)
	args = append(args, "-ar", fmt.Sprint(c.rate))
	if out, err := exec.Command("ffmpeg", append(args, path)...).CombinedOutput(); err != nil {
		t.Fatalf("cannot make the sample: %v: %s", err, out)
	}
}
