package ffmpeg

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"mp3converter/test/samples"
)

// bombs returns small files that would use much time, memory or disk, and files with
// invalid headers. If all is set, it includes those that reach the time limit.
func bombs(all bool) map[string][]byte {
	files := map[string][]byte{}
	// The time that ffmpeg takes grows quadratically with the number of tags and
	// with the number of lines in a tag: ten megabytes would take hours.
	manyTags, controls := 2_000, 50_000
	if all {
		manyTags, controls = 20_000, 2_500_000
	}

	// Much more sound than bytes.
	files["FLAC of silence, says nothing"] = flac(8000, 1, 16, 0, 600)
	files["FLAC of silence, says one second"] = flac(8000, 1, 16, 8000, 600)
	files["FLAC with a duration of years"] = flac(8000, 1, 16, 1<<36-1, 2)
	files["FLAC of 1 Hz"] = flac(1, 1, 16, 0, 200)
	files["FLAC of a megahertz"] = flac(1<<20-1, 1, 16, 0, 5)
	files["FLAC of 0 Hz"] = flac(0, 1, 16, 0, 5)
	for name, m := range map[string]mov{
		"a sample of maximum duration":       {stts: []uint32{8000, math.MaxUint32}},
		"2^32 samples":                       {samples: math.MaxUint32},
		"2^31 samples of one byte":           {samples: 1 << 31, size: 1, stts: []uint32{1 << 31, 1}},
		"samples of 4 GiB":                   {size: math.MaxUint32},
		"a thousand different durations":     {stts: bytes32(1000, math.MaxUint32)},
		"negative durations":                 {stts: []uint32{4000, 0x80000000, 4000, 1}},
		"a rate of 1 Hz":                     {rateField: 1 << 16},
		"a rate of 0":                        {rateField: 1},
		"a rate of 65535 Hz, clock of 1":     {rateField: 65535 << 16, rate: 1},
		"a clock of 4 GHz":                   {rate: math.MaxUint32},
		"255 channels":                       {channels: 255},
		"65535 channels":                     {channels: 65535},
		"5-bit sound":                        {bits: 5},
		"64-bit sound":                       {bits: 64},
		"65535-bit sound":                    {bits: 65535},
		"sound data past the end":            {offset: math.MaxUint32},
		"sound data that overlaps the index": {offset: 4},
		"5000 tracks":                        {tracks: 5000},
		"65 tracks":                          {tracks: 65},
		"an edit with the minimum start":     {edits: editList(edit(1000, math.MinInt32))},
		"an edit with the maximum start":     {edits: editList(edit(1000, math.MaxInt32))},
		"an edit of 49 days":                 {edits: editList(edit(math.MaxUint32, 0))},
		"an empty edit of 49 days first":     {edits: editList(edit(math.MaxUint32, -1), edit(1000, 0))},
		"the same second 10,000 times":       {edits: editList(bytes.Repeat(edit(1000, 0), 10_000))},
		"edits in reverse order":             {edits: editList(edit(1, 7999), edit(1, 7000), edit(1, 1), edit(1, 4000))},
		"4 billion edits without entries":    {edits: box("elst", uint32(0), uint32(math.MaxUint32))},
		"encrypted":                          {codec: "enca"},
		"an unknown codec":                   {codec: "zzzz"},
		"ALAC without a magic cookie":        {codec: "alac"},
		"ALAC with frames of maximum size":   {codec: "alac", description: alac(math.MaxUint32)},
		"AAC without a configuration":        {codec: "mp4a"},
	} {
		files["MP4: "+name] = m.bytes()
	}
	for name, m := range map[string]mkv{
		"a rate of 1 Hz":                    {rate: 1},
		"a rate of 1e300":                   {rate: 1e300},
		"a rate of NaN":                     {rate: math.NaN()},
		"a negative rate":                   {rate: -44100},
		"2^40 channels":                     {channels: 1 << 40},
		"255 channels":                      {channels: 255},
		"7-bit sound":                       {depth: 7},
		"2^32-bit sound":                    {depth: 1 << 32},
		"2000 tracks":                       {tracks: 2000},
		"a duration of years":               {info: element(0x4489, math.Float64bits(1e18))},
		"a duration of NaN":                 {info: element(0x4489, math.Float64bits(math.NaN()))},
		"blocks with decreasing timestamps": {blocks: join(simpleBlock(30000), simpleBlock(-30000), simpleBlock(30000))},
		"a clock of zero":                   {info: element(0x2AD7B1, uint32(0))},
		"the slowest clock":                 {info: element(0x2AD7B1, uint64(math.MaxUint64))},
		"a tag of 10 MB":                    {segment: title(strings.Repeat("ABCD", 2_500_000))},
		"a tag of controls":                 {segment: title(strings.Repeat("A\x01\r\n", controls))},
		"many tags":                         {segment: element(0x1254C367, element(0x7373, repeat(manyTags, func(i int) []byte { return element(0x67C8, element(0x45A3, fmt.Sprint("T", i)), element(0x4487, "x")) })))},
		"10000 chapters":                    {segment: element(0x1043A770, element(0x45B9, repeat(10_000, chapter)))},
		"an attachment of 8 MB":             {segment: element(0x1941A469, element(0x61A7, element(0x466E, "cover.png"), element(0x4660, "image/png"), element(0x465C, make([]byte, 8<<20)), element(0x46AE, uint8(1))))},
		"elements in elements":              {segment: nestedElements(10_000, 0x1254C367)},
		"compressed tracks":                 {segment: element(0x1654AE6B, element(0xAE, element(0xD7, uint8(1)), element(0x6D80, element(0x6240, element(0x5034, element(0x4254, uint8(0)))))))},
	} {
		files["MKV: "+name] = m.bytes()
	}
	for name, a := range map[string]avi{
		"100 streams":                       {streams: 100},
		"1 Hz":                              {rate: 1},
		"4 GHz":                             {rate: math.MaxUint32},
		"a scale of 4e9":                    {scale: math.MaxUint32},
		"65535 channels":                    {channels: 65535},
		"a sample of 65535":                 {sample: 65535},
		"an index that points to itself":    {index: chunk("idx1", bytes.Repeat(little("00wb", uint32(16), uint32(0), uint32(16000)), 50_000))},
		"an index that points past the end": {index: chunk("idx1", bytes.Repeat(little("00wb", uint32(16), uint32(math.MaxUint32), uint32(math.MaxUint32)), 1000))},
		"an endless index":                  {index: chunk("indx", uint16(4), uint8(0), uint8(0), uint32(math.MaxUint32), "00wb", make([]byte, 12), bytes.Repeat(little(uint64(0), uint32(32), uint32(1)), 1000))},
	} {
		files["AVI: "+name] = a.bytes()
	}
	files["TS: 8000 streams"] = manyPIDs(270)
	files["WAV of 4 GiB"] = wav(1, 1, 8000, 16, math.MaxUint32, noise(16000))
	files["WAV of 0 bytes"] = wav(1, 1, 8000, 16, 0, noise(16000))
	files["WAV of 4 GHz"] = wav(1, 2, math.MaxUint32, 16, 16000, noise(16000))
	files["WAV of 1 Hz"] = wav(1, 1, 1, 8, 16000, noise(16000))
	files["WAV of 0 Hz"] = wav(1, 1, 0, 8, 16000, noise(16000))
	files["WAV of 65535 channels"] = wav(1, 65535, 8000, 16, 16000, noise(16000))
	files["WAV of 0 channels"] = wav(1, 0, 8000, 16, 16000, noise(16000))
	files["WAV of 3 bits"] = wav(1, 1, 8000, 3, 16000, noise(16000))
	files["WAV of 65535 bits"] = wav(1, 1, 8000, 65535, 16000, noise(16000))
	files["AU of 4 GHz"] = join(".snd", uint32(24), uint32(math.MaxUint32), uint32(3), uint32(math.MaxUint32), uint32(1), noise(8000))
	files["AIFF of an absurd rate"] = join("FORM", uint32(8100), "AIFF", "COMM", uint32(18), uint16(1), uint32(math.MaxUint32), uint16(16), uint16(0x7ffe), uint64(math.MaxUint64), "SSND", uint32(8008), uint64(0), noise(8000))
	files["CAF of 10^300 Hz"] = join("caff", uint32(0x10000), "desc", uint64(32), 1e300, "lpcm", uint32(0), uint32(2), uint32(1), uint32(1), uint32(16), "data", uint64(math.MaxUint64), uint32(0), noise(8000))

	// Invalid boxes.
	for name, b := range map[string][]byte{
		"of size 0": join(uint32(0), "moov"), "of size 1": join(uint32(1), "moov"), "of size 2": join(uint32(2), "moov"),
		"of size 2^63": join(uint32(1), "moov", uint64(1)<<63), "of size 2^64": join(uint32(1), "moov", uint64(math.MaxUint64)),
		"of size 2^32":   join(uint32(math.MaxUint32), "moov"),
		"in boxes":       nested(20_000, "moov"),
		"of the samples": box("moov", box("trak", box("mdia", box("minf", box("stbl", box("stts", uint32(0), uint32(math.MaxUint32))))))),
		"of the fragment": join(box("moov", box("mvhd", make([]byte, 100))), box("moof", box("traf", box("tfhd", uint32(0), uint32(1)),
			box("trun", uint32(0x000701), uint32(math.MaxUint32), uint32(8))))),
		"of an index that points to itself": box("sidx", uint32(0), uint32(1), uint32(1), uint64(0), uint32(0xffff), bytes.Repeat(join(uint32(0x80000000), uint64(0)), 0xffff)),
		"of free space":                     bytes.Repeat(box("free"), 300_000),
	} {
		files["box "+name] = join(box("ftyp", "isom", uint32(0), "isom"), b, box("mdat", noise(1000)))
	}
	head := element(0x1A45DFA3, element(0x4282, "matroska"))
	files["EBML of unknown size for ever"] = join(head, elementID(0x18538067), uint8(0xff), bytes.Repeat(join(elementID(0x1F43B675), uint8(0xff)), 50_000))
	files["EBML of size 2^56"] = join(head, elementID(0x18538067), uint64(1<<56|1<<55))
	files["EBML of empty elements"] = join(head, elementID(0x18538067), uint8(0xff), bytes.Repeat([]byte{0xEC, 0x80}, 300_000))
	files["EBML with a name of 16 bytes"] = join(head, bytes.Repeat([]byte{0}, 4096))

	// Pictures that need much memory.
	for _, size := range []uint16{1, 16384, 65535} {
		files[fmt.Sprint("MOV with a picture of ", size)] = mov{moov: picture(size)}.bytes()
	}
	files["an MP3 with a cover of 16 MB"] = join(id3("APIC", join(uint8(0), "image/png\x00\x03\x00", make([]byte, 16<<20))), noise(4000))
	files["an MP3 with a cover that says 256 MB"] = join("ID3\x03\x00\x00\x7f\x7f\x7f\x7f", "APIC", uint32(math.MaxUint32), uint16(0), noise(4000))
	files["PNG of 2^31"] = join("\x89PNG\r\n\x1a\n", uint32(13), "IHDR", uint32(1<<31-1), uint32(1<<31-1), []byte{8, 6, 0, 0, 0}, uint32(0))
	files["GIF"] = join("GIF89a", []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0}, ",", []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 8, 0, ';'})

	// Files of other formats.
	files["a ZIP bomb"] = zipped()
	files["a GZIP bomb"] = gzipped()
	files["an ELF"] = join("\x7fELF", noise(4000))
	files["PDF and MP4"] = join("%PDF-1.4\n", mov{}.bytes())
	files["MP4 and ZIP"] = join(mov{}.bytes(), zipped())
	files["GIF and MP3"] = join("GIF89a", id3("TIT2", join(uint8(0), "x")), noise(4000))
	files["nothing"] = nil
	files["one byte"] = []byte{0}
	files["noise"] = noise(200_000)
	files["MPEG start codes"] = bytes.Repeat([]byte{0, 0, 1, 0xb3, 0xff, 0xff, 0xff, 0xff}, 30_000)
	files["MP3 syncs"] = bytes.Repeat([]byte{0xff, 0xfb, 0x90, 0x64}, 50_000)
	files["ADTS syncs"] = bytes.Repeat([]byte{0xff, 0xf1, 0x50, 0x80, 0x00, 0xff, 0xfc}, 30_000)
	files["TS syncs"] = bytes.Repeat(tsPacket(0x1fff, false, 0, nil), 2000)
	files["Ogg of a huge granule"] = oggs(math.MaxInt64)
	files["Ogg of a negative granule"] = oggs(math.MinInt64)
	return files
}

func bytes32(pairs int, value uint32) []uint32 {
	var list []uint32
	for i := range pairs {
		list = append(list, 8, value-uint32(i))
	}
	return list
}

// nested nests boxes. It computes the sizes instead of calling box, which would copy
// the content at each level.
func nested(depth int, kind string) []byte {
	return repeat(depth, func(i int) []byte { return join(uint32(8*(depth-i)), kind) })
}

// nestedElements nests EBML elements.
func nestedElements(depth int, id uint32) []byte {
	return repeat(depth, func(i int) []byte { return join(elementID(id), uint64(12*(depth-i-1))|1<<56) })
}

func title(text string) []byte {
	return element(0x1254C367, element(0x7373, element(0x67C8, element(0x45A3, "TITLE"), element(0x4487, text))))
}

func chapter(i int) []byte {
	return element(0xB6, element(0x73C4, uint32(i+1)), element(0x91, uint64(i)*1e6), element(0x80, element(0x85, "c")))
}

func alac(frame uint32) []byte {
	return box("alac", make([]byte, 6), uint16(1), make([]byte, 8), uint16(2), uint16(16), uint32(0), uint32(44100<<16),
		box("alac", uint32(0), frame, uint8(0), uint8(32), uint8(255), uint8(255), uint8(255), uint8(255), uint16(0xffff),
			uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32)))
}

// picture is a track with one raw image of size × size pixels.
func picture(size uint16) []byte {
	return box("trak", box("tkhd", uint32(7), uint64(0), uint32(9), uint32(0), uint32(1000), make([]byte, 60)),
		box("mdia", box("mdhd", uint32(0), uint64(0), uint32(25), uint32(25), uint32(0)), box("hdlr", uint32(0), "mhlr", "vide", make([]byte, 13)),
			box("minf", box("vmhd", uint32(1), uint64(0)), box("dinf", box("dref", uint32(0), uint32(1), box("url ", uint32(1)))),
				box("stbl",
					box("stsd", uint32(0), uint32(1), box("mjpa", make([]byte, 6), uint16(1), make([]byte, 16), size, size, make([]byte, 14), make([]byte, 32), uint16(24), uint16(0xffff))),
					box("stts", uint32(0), uint32(1), []uint32{25, 1}), box("stsc", uint32(0), uint32(1), []uint32{1, 25, 1}),
					box("stsz", uint32(0), uint32(100), uint32(25)), box("stco", uint32(0), uint32(1), uint32(40))))))
}

func oggs(granule int64) []byte {
	page := func(flags byte, granule int64, number uint32, content []byte) []byte {
		p := little("OggS", uint8(0), flags, granule, uint32(1), number, uint32(0), uint8(1), uint8(len(content)), content)
		crc := mpegCRCFrom(0, p)
		copy(p[22:], little(crc))
		return p
	}
	return join(
		page(2, 0, 0, little("OpusHead", uint8(1), uint8(1), uint16(0), uint32(48000), uint16(0), uint8(0))),
		page(0, 0, 1, little("OpusTags", uint32(1), "x", uint32(0))),
		page(0, 960, 2, join(uint8(0x78), noise(60))),
		page(4, granule, 3, join(uint8(0x78), noise(60))))
}

func zipped() []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("video.mp4")
	if err == nil {
		_, err = w.Write(make([]byte, 16<<20))
	}
	if err != nil || z.Close() != nil {
		panic(err)
	}
	return b.Bytes()
}

func gzipped() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(make([]byte, 16<<20)); err != nil || z.Close() != nil {
		panic(err)
	}
	return b.Bytes()
}

// validSamples are the files that damaged truncates and corrupts.
var validSamples = []samples.Spec{
	{Name: "good.mp4"},
	{Name: "early.mp4", Format: []string{"-movflags", "+faststart"}},
	{Name: "pieces.mp4", Format: []string{"-movflags", "+frag_keyframe+empty_moov"}},
	{Name: "good.mkv", Audio: "libvorbis"},
	{Name: "good.webm", Rate: 48000, Video: "libvpx -deadline realtime", Audio: "libopus"},
	{Name: "good.avi", Video: "mpeg4", Audio: "libmp3lame"},
	{Name: "good.ts", Video: "mpeg2video", Audio: "mp2"},
	{Name: "good.flv", Video: "flv"},
	{Name: "good.wmv", Video: "wmv2", Audio: "wmav2"},
	{Name: "good.ogg", Video: "none", Audio: "libvorbis"},
	{Name: "good.flac", Video: "none", Audio: "flac"},
	{Name: "good.wv", Video: "none", Audio: "wavpack"},
	{Name: "good.mxf", Video: "mpeg2video", Audio: "pcm_s16le", Rate: 48000},
	{Name: "good.mp3", Video: "none", Audio: "libmp3lame"},
	{Name: "good.aac", Video: "none"},
	{Name: "alac.m4a", Video: "none", Audio: "alac"},
}

// damaged returns valid files truncated at each power of two, and with flipped bits.
func damaged(t testing.TB, all bool) map[string][]byte {
	t.Helper()
	flips, least := 1, 12
	if all {
		flips, least = 40, 0
	}
	files := map[string][]byte{}
	for i, spec := range validSamples {
		if !all && i%3 != 0 {
			continue
		}
		good, err := os.ReadFile(makeSample(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		for n := least; 1<<n < len(good); n += 1 + 3*btoi(!all) {
			files[fmt.Sprint(spec.Name, " cut at ", 1<<n)] = good[:1<<n]
		}
		random := rand.New(rand.NewPCG(1, uint64(i)))
		for n := range flips {
			bad := bytes.Clone(good)
			for range 1 << random.IntN(10) {
				at := random.IntN(len(bad))
				if random.IntN(2) == 0 { // mostly in the header
					at = random.IntN(min(len(bad), 4096))
				}
				bad[at] ^= 1 << random.IntN(8)
			}
			files[fmt.Sprint(spec.Name, " with flipped bits ", n)] = bad
		}
		if spec.Name == "good.ts" {
			files["TS whose clock goes round"] = bytes.Repeat(good, 20)
		}
		if spec.Name == "good.mp3" {
			files["MP3 that begins again and again"] = bytes.Repeat(good, 20)
		}
	}
	return files
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
