package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"testing"

	"mp3converter/functions/converter/mp3"
	"mp3converter/test/samples"
)

// These functions build complete files whose headers announce another length than that of
// the sound.

const (
	amrRate  = 8000
	amrFrame = 160 // samples
	amrSize  = 32  // bytes
)

// amr is n frames of AMR at 12.2 kbit/s, 50 for each second. Any bits are valid sound.
func amr(n int) []byte {
	sound := noise(n * amrSize)
	for i := range n {
		sound[i*amrSize] = 0x3c
	}
	return sound
}

// soundEntry is the description of a track in MP4.
func soundEntry(codec string, channels uint16, rate uint32, config []byte) []byte {
	return box(codec, make([]byte, 6), uint16(1), make([]byte, 8), channels, uint16(16), uint32(0), rate<<16, config)
}

func amrEntry() []byte {
	return soundEntry("samr", 1, amrRate, box("damr", "test", uint8(0), uint16(0x81ff), uint8(0), uint8(1)))
}

// threeGP is a 3GP file of AMR. Its sample table announces ticks for each frame instead of
// 160.
func threeGP(frames int, ticks uint32) []byte {
	n := uint32(frames)
	return mov{brand: "3gp4", sound: amr(frames), description: amrEntry(), samples: n, size: amrSize, stts: []uint32{n, ticks}, length: n * ticks}.bytes()
}

// eac3MP4 is an MP4 of three seconds of E-AC-3, whose sample table announces ticks for each
// frame instead of 1536.
func eac3MP4(t testing.TB, ticks uint32) []byte {
	t.Helper()
	sound, err := samples.Spec{Name: "sound.eac3", Video: "none", Audio: "eac3 -b:a 192k", Rate: 48000}.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	size := 2 * (uint32(binary.BigEndian.Uint16(sound[2:])&0x7ff) + 1)
	n := uint32(len(sound)) / size
	entry := soundEntry("ec-3", 2, 48000, box("dec3", uint16(192<<3), []byte{0x20, 0x04, 0x00}))
	return mov{brand: "isom", sound: sound, description: entry, rate: 48000, samples: n, size: size, stts: []uint32{n, ticks}, length: n * ticks}.bytes()
}

// fragmentedMP4 is an MP4 of AMR in fragments of a second. The zero value of a field stands
// for the truth.
type fragmentedMP4 struct {
	seconds int    // 1
	header  uint32 // length of the track in its header, in samples
	extends uint32 // length of all fragments (mehd), in milliseconds
	index   uint32 // length of the segment (sidx), in samples
	ticks   uint32 // of each frame
	last    uint32 // ticks of the last frame
	start   uint64 // of the first fragment, in samples
	gap     uint64 // before the last fragment, in samples
}

func (f fragmentedMP4) bytes() []byte {
	if f.ticks == 0 {
		f.ticks = amrFrame
	}
	if f.last == 0 {
		f.last = f.ticks
	}
	var extends []byte
	if f.extends > 0 {
		extends = box("mehd", uint32(0), f.extends)
	}
	seconds := max(1, f.seconds)
	moov := box("moov",
		box("mvhd", uint32(0), uint64(0), uint32(1000), uint32(0), uint32(1<<16), uint16(0x100), make([]byte, 10+36+24), uint32(2)),
		box("trak",
			box("tkhd", uint32(7), uint64(0), uint32(1), uint32(0), uint32(0), make([]byte, 60)),
			box("mdia", box("mdhd", uint32(0), uint64(0), uint32(amrRate), f.header, uint32(0)),
				box("hdlr", uint32(0), "mhlr", "soun", make([]byte, 12), uint8(0)),
				box("minf", box("smhd", uint64(0)),
					box("dinf", box("dref", uint32(0), uint32(1), box("url ", uint32(1)))),
					box("stbl", box("stsd", uint32(0), uint32(1), amrEntry()), box("stts", uint64(0)), box("stsc", uint64(0)),
						box("stsz", uint32(0), uint64(0)), box("stco", uint64(0)))))),
		box("mvex", extends, box("trex", uint32(0), uint32(1), uint32(1), uint32(0), uint32(0), uint32(0))))
	fragments := repeat(seconds, func(i int) []byte {
		at := f.start + uint64(i)*50*uint64(f.ticks)
		last := f.ticks
		if i == seconds-1 {
			at, last = at+f.gap, f.last
		}
		return amrFragment(uint32(i+1), at, f.ticks, last)
	})
	var index []byte
	if f.index > 0 {
		index = box("sidx", uint32(0), uint32(1), uint32(amrRate), uint32(0), uint32(0), uint32(1), uint32(len(fragments)), f.index, uint32(0x90000000))
	}
	return join(box("ftyp", "iso5", uint32(0), "iso5"), moov, index, fragments)
}

// amrFragment is a fragment of 50 frames.
func amrFragment(number uint32, at uint64, ticks, last uint32) []byte {
	moof := func(offset uint32) []byte {
		durations := bytes.Repeat(join(ticks), 49)
		return box("moof", box("mfhd", uint32(0), number),
			box("traf", box("tfhd", uint32(0x20010), uint32(1), uint32(amrSize)), box("tfdt", uint32(1<<24), at),
				box("trun", uint32(0x101), uint32(50), offset, durations, last)))
	}
	return join(moof(uint32(len(moof(0))+8)), box("mdat", amr(50)))
}

// liars are complete files, by name, with the seconds of their sound.
func liars(t testing.TB) map[string]liar {
	const claim = 39 * 3600
	sound := noise(32000) // two seconds
	matroska := mkv{info: element(0x4489, math.Float64bits(claim*1000)), blocks: simpleBlock(0)}
	matroska.segment = element(0x1254C367, element(0x7373, element(0x63C0, element(0x63C5, uint8(1))),
		element(0x67C8, element(0x45A3, "DURATION"), element(0x4487, "39:00:00.000000000"))))
	return map[string]liar{
		"fragmented MP4, header":      {fragmentedMP4{header: claim * amrRate}.bytes(), 1},
		"fragmented MP4, all":         {fragmentedMP4{extends: claim * 1000, index: claim * amrRate, header: claim * amrRate}.bytes(), 1},
		"fragmented MP4, index":       {fragmentedMP4{index: claim * amrRate}.bytes(), 1},
		"fragmented MP4, each frame":  {fragmentedMP4{ticks: claim * amrRate / 50}.bytes(), 1},
		"fragmented MP4, last frame":  {fragmentedMP4{last: claim * amrRate}.bytes(), 1},
		"fragmented MP4, late start":  {fragmentedMP4{start: claim * amrRate}.bytes(), 1},
		"fragmented MP4, a gap":       {fragmentedMP4{seconds: 4, gap: claim * amrRate}.bytes(), 4},
		"fragmented MP4, a short gap": {fragmentedMP4{seconds: 4, gap: 30 * amrRate}.bytes(), 4},
		"3GP, twice as long":          {threeGP(100, 2*amrFrame), 2},
		"3GP of 39 h":                 {threeGP(100, claim*amrRate/100), 2},
		"3GP of 2 h":                  {threeGP(100, 7200*amrRate/100), 2},
		"3GP, half as long":           {threeGP(400, amrFrame/2), 8},
		"E-AC-3, three times":         {eac3MP4(t, 3*1536), 3},
		"E-AC-3 of 39 h":              {eac3MP4(t, claim*48000/94), 3},
		"PCM of 39 h":                 {mov{stts: []uint32{8000, claim}, length: 8000 * claim}.bytes(), 1},
		"MKV of 39 h":                 {matroska.bytes(), 1},
		"WAV written to a pipe":       {wav(1, 1, 8000, 16, math.MaxUint32, sound), 2},
		"WAV of size 0x7fffffff":      {wav(1, 1, 8000, 16, math.MaxInt32, sound), 2},
		"MP3 of 39 h":                 {longXing(t, claim), 60},
		"part of an MP3":              {mp3Part(t), 2000 * 1152 / 44100.0},
		"FLAC says one second":        {flac(8000, 1, 16, 8000, 30), 30 * 65535 / 8000.0},
	}
}

// minuteOfMP3 is an MP3 with the sound of a minute.
func minuteOfMP3(t testing.TB) []byte {
	t.Helper()
	whole, err := samples.Spec{Name: "whole.mp3", Video: "none", Audio: "libmp3lame", Seconds: 60}.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// longXing is a complete MP3 of a minute, whose header announces that many seconds.
func longXing(t testing.TB, seconds int) []byte {
	video := bytes.Clone(minuteOfMP3(t))
	at := bytes.Index(video, []byte("Info")) // its flags and the number of frames follow
	copy(video[at+8:], join(uint32(seconds*44100/1152)))
	return video
}

// mp3Part is the beginning of an MP3 of a minute, with the header of the whole.
func mp3Part(t testing.TB) []byte {
	whole := minuteOfMP3(t)
	info, err := mp3.Inspect(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	end := info.Offset
	frames := mp3.NewReader(bytes.NewReader(whole[end:]))
	for range 2001 { // the first is the header
		f, err := frames.Next()
		if err != nil {
			t.Fatal(err)
		}
		end += int64(len(f.Data))
	}
	return whole[:end]
}

type liar struct {
	content []byte
	seconds float64
}

// damage returns a copy of a file in which a part of its bytes, from and to as fractions of
// its length, has been overwritten.
func damage(content []byte, from, to float64) []byte {
	bad := bytes.Clone(content)
	part := bad[int(from*float64(len(bad))):int(to*float64(len(bad)))]
	copy(part, noise(len(part)))
	return bad
}

func cutOff(content []byte, kept float64) []byte {
	return content[:int(kept*float64(len(content)))]
}

func writeVideo(t testing.TB, content []byte) string {
	t.Helper()
	path := t.TempDir() + "/video"
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
