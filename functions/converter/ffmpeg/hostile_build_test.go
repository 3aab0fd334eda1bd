package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"strings"
)

// These functions build files byte by byte, with headers that no encoder would write.

func join(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b.WriteString(p)
		case []byte:
			b.Write(p)
		default:
			if err := binary.Write(&b, binary.BigEndian, p); err != nil {
				panic(err)
			}
		}
	}
	return b.Bytes()
}

func little(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b.WriteString(p)
		case []byte:
			b.Write(p)
		default:
			if err := binary.Write(&b, binary.LittleEndian, p); err != nil {
				panic(err)
			}
		}
	}
	return b.Bytes()
}

func repeat(n int, part func(i int) []byte) []byte {
	var b []byte
	for i := range n {
		b = append(b, part(i)...)
	}
	return b
}

// noise is PCM that is neither silence nor music.
func noise(n int) []byte {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 27)
	}
	return b
}

// box is an atom of MP4 and QuickTime.
func box(kind string, parts ...any) []byte {
	payload := join(parts...)
	return join(uint32(8+len(payload)), kind, payload)
}

// mov is a QuickTime file with PCM sound. The zero value of a field stands
// for its value in a valid file of one second.
type mov struct {
	brand          string
	codec          string
	sound          []byte
	rate           uint32 // of the track's clock
	rateField      uint32 // 16.16, in the sample description
	channels, bits uint16
	stts           []uint32 // pairs
	samples        uint32
	length         uint32 // of the track, in its clock; 0 means samples
	size           uint32 // of a sample
	dref           []byte
	edits          []byte
	tracks         int
	moov           []byte // more boxes
	description    []byte // instead of stsd's entry
	offset         uint32 // of the sound in the file; 0 means the correct one
}

func (m mov) bytes() []byte {
	or := func(v *uint32, value uint32) {
		if *v == 0 {
			*v = value
		}
	}
	or(&m.rate, 8000)
	or(&m.rateField, 8000<<16)
	or(&m.samples, 8000)
	or(&m.length, m.samples)
	or(&m.size, 2)
	if m.codec == "" {
		m.codec = "twos"
	}
	if m.channels == 0 {
		m.channels = 1
	}
	if m.bits == 0 {
		m.bits = 16
	}
	if m.stts == nil {
		m.stts = []uint32{m.samples, 1}
	}
	if m.dref == nil {
		m.dref = box("url ", uint32(1))
	}
	if m.description == nil {
		m.description = box(m.codec, make([]byte, 6), uint16(1), make([]byte, 8), m.channels, m.bits, uint32(0), m.rateField)
	}
	if m.edits != nil {
		m.edits = box("edts", m.edits)
	}
	if m.brand == "" {
		m.brand = "qt  "
	}
	if m.sound == nil {
		m.sound = noise(16000)
	}
	ftyp := box("ftyp", m.brand, uint32(0), m.brand)
	or(&m.offset, uint32(len(ftyp)+8))
	head := box("mvhd", uint32(0), uint64(0), uint32(1000), uint32(1000), uint32(1<<16), uint16(0x100), make([]byte, 10+36+24), uint32(2))
	trak := func(i int) []byte {
		return box("trak",
			box("tkhd", uint32(7), uint64(0), uint32(i+1), uint32(0), uint32(1000), make([]byte, 60)),
			m.edits,
			box("mdia",
				box("mdhd", uint32(0), uint64(0), m.rate, m.length, uint32(0)),
				box("hdlr", uint32(0), "mhlr", "soun", make([]byte, 12), uint8(0)),
				box("minf", box("smhd", uint64(0)),
					box("dinf", box("dref", uint32(0), uint32(1), m.dref)),
					box("stbl",
						box("stsd", uint32(0), uint32(1), m.description),
						box("stts", uint32(0), uint32(len(m.stts)/2), m.stts),
						box("stsc", uint32(0), uint32(1), []uint32{1, m.samples, 1}),
						box("stsz", uint32(0), m.size, m.samples),
						box("stco", uint32(0), uint32(1), m.offset)))))
	}
	return join(ftyp, box("mdat", m.sound), box("moov", head, repeat(max(1, m.tracks), trak), m.moov))
}

// edit is an entry of an edit list. Its length and its start have different
// timescales.
func edit(length uint32, from int32) []byte { return join(length, from, uint32(1<<16)) }

func editList(edits ...[]byte) []byte {
	return box("elst", uint32(0), uint32(len(edits)), bytes.Join(edits, nil))
}

// element is an EBML element with an 8-byte size.
func element(id uint32, parts ...any) []byte {
	return join(elementID(id), uint64(len(join(parts...)))|1<<56, join(parts...))
}

func elementID(id uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, id)
	return b[bits.LeadingZeros32(id)/8:]
}

// mkv is a Matroska file with PCM sound.
type mkv struct {
	rate     float64
	channels uint64
	depth    uint64
	tracks   int
	info     []byte // more elements
	segment  []byte // more elements, before the sound
	blocks   []byte // instead of one block of sound
}

func (m mkv) bytes() []byte {
	if m.rate == 0 {
		m.rate = 8000
	}
	if m.channels == 0 {
		m.channels = 1
	}
	if m.depth == 0 {
		m.depth = 16
	}
	if m.blocks == nil {
		m.blocks = simpleBlock(0)
	}
	track := func(i int) []byte {
		return element(0xAE, element(0xD7, uint16(i+1)), element(0x73C5, uint16(i+1)), element(0x83, uint8(2)),
			element(0x86, "A_PCM/INT/LIT"),
			element(0xE1, element(0xB5, math.Float64bits(m.rate)), element(0x9F, m.channels), element(0x6264, m.depth)))
	}
	return join(
		element(0x1A45DFA3, element(0x4282, "matroska")),
		element(0x18538067,
			element(0x1549A966, element(0x2AD7B1, uint32(1000000)), m.info),
			m.segment,
			element(0x1654AE6B, repeat(max(1, m.tracks), track)),
			element(0x1F43B675, element(0xE7, uint8(0)), m.blocks)))
}

func simpleBlock(at int16) []byte {
	return element(0xA3, uint8(0x81), at, uint8(0x80), noise(16000))
}

func chunk(id string, parts ...any) []byte {
	payload := little(parts...)
	return little(id, uint32(len(payload)), payload, make([]byte, len(payload)%2))
}

// avi is an AVI file with PCM sound.
type avi struct {
	streams          int
	rate, scale      uint32
	channels, sample uint16
	index            []byte
	more             []byte // in movi
	subtitles        bool
}

func (a avi) bytes() []byte {
	if a.rate == 0 {
		a.rate = 8000
	}
	if a.scale == 0 {
		a.scale = 1
	}
	if a.channels == 0 {
		a.channels = 1
	}
	if a.sample == 0 {
		a.sample = 2
	}
	stream := func(int) []byte {
		return chunk("LIST", "strl",
			chunk("strh", "auds", make([]byte, 16), a.scale, a.rate, uint32(0), uint32(8000), make([]byte, 8), uint32(a.sample), make([]byte, 8)),
			chunk("strf", uint16(1), a.channels, a.rate, a.rate*2, a.sample, uint16(16)))
	}
	n := max(1, a.streams)
	streams := repeat(n, stream)
	if a.subtitles {
		n++
		streams = join(streams, chunk("LIST", "strl",
			chunk("strh", "txts", make([]byte, 16), uint32(1), uint32(1), uint32(0), uint32(1), make([]byte, 20)),
			chunk("strf", make([]byte, 8))))
	}
	return chunk("RIFF", "AVI ",
		chunk("LIST", "hdrl", chunk("avih", uint32(40000), make([]byte, 20), uint32(n), make([]byte, 28)), streams),
		chunk("LIST", "movi", a.more, chunk("00wb", noise(16000))),
		a.index)
}

// wav is a WAVE file. The length in its header may be wrong.
func wav(format, channels uint16, rate uint32, depth uint16, claimed uint32, sound []byte) []byte {
	align := channels * depth / 8
	return little("RIFF", claimed, "WAVEfmt ", uint32(16), format, channels, rate, rate*uint32(align), align, depth, "data", claimed, sound)
}

// tsPacket is a packet of an MPEG transport stream.
func tsPacket(pid uint16, start bool, counter int, payload []byte) []byte {
	if start {
		pid |= 0x4000
	}
	p := join(uint8(0x47), pid, uint8(0x10|counter&15), payload)
	return append(p, bytes.Repeat([]byte{0xff}, 188-len(p))...)
}

// section is a table of a transport stream, with its checksum.
func section(id uint8, number uint16, payload []byte) []byte {
	s := join(id, uint16(0xb000|len(payload)+9), number, uint8(0xc1), uint8(0), uint8(0), payload)
	return join(uint8(0), s, mpegCRC(s))
}

func mpegCRC(b []byte) uint32 { return mpegCRCFrom(^uint32(0), b) }

// mpegCRCFrom also computes the checksum of Ogg, which starts with 0.
func mpegCRCFrom(crc uint32, b []byte) uint32 {
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04C11DB7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// manyPIDs is a transport stream of n programs with 30 sound tracks each.
func manyPIDs(n int) []byte {
	var b []byte
	for first := 0; first < n; first += 40 {
		var programs []byte
		for i := first; i < min(n, first+40); i++ {
			programs = append(programs, join(uint16(i+1), uint16(0xe000|0x20+i))...)
		}
		b = append(b, tsPacket(0, true, first/40, section(0, 1, programs))...)
	}
	for i := range n {
		var streams []byte
		for s := range 30 {
			streams = append(streams, join(uint8(0x0f), uint16(0xe000|(0x400+(i*30+s)%7000)), uint16(0xf000))...)
		}
		b = append(b, tsPacket(uint16(0x20+i), true, 0, section(2, uint16(i+1), join(uint16(0xe100), uint16(0xf000), streams)))...)
	}
	for i := range 2000 {
		pes := join(uint32(0x1c0), uint16(0), uint16(0x8080), uint8(5), []byte{0x21, 0, 1, 0, 1}, noise(150))
		b = append(b, tsPacket(uint16(0x400+i*3%7000), true, 0, pes)...)
	}
	return b
}

// id3 is a tag of an MP3 with one frame.
func id3(frame string, content []byte) []byte {
	n := len(content) + 10
	return join("ID3", uint8(3), uint16(0), []byte{byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)},
		frame, uint32(len(content)), uint16(0), content)
}

// flac is a FLAC file of silence: each 16-byte frame encodes 65535 equal samples.
func flac(rate uint32, channels, depth uint8, claimed uint64, frames int) []byte {
	info := join(uint16(16), uint16(65535), make([]byte, 6),
		uint64(rate)<<44|uint64(channels-1)<<41|uint64(depth-1)<<36|claimed&(1<<36-1), make([]byte, 16))
	return join("fLaC", uint8(0x80), []byte{0, 0, byte(len(info))}, info, repeat(frames, func(i int) []byte {
		number := []byte(string(rune(i % 0xd000)))
		// Sync, fixed block size; 16-bit block size and rate of the header; mono, 16 bits.
		head := join(uint16(0xfff8), uint8(0x70), uint8(0x08), number, uint16(65534))
		head = append(head, crc8(head))
		frame := join(head, uint8(0), uint16(0)) // a constant: 0
		return join(frame, crc16(frame))
	}))
}

func crc8(b []byte) (crc uint8) {
	for _, c := range b {
		crc ^= c
		for range 8 {
			if crc&0x80 != 0 {
				crc = crc<<1 ^ 0x07
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

func crc16(b []byte) (crc uint16) {
	for _, c := range b {
		crc ^= uint16(c) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x8005
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// fill replaces FILE, URL and HOST in a text.
func (c *canary) fill(text string) []byte {
	return []byte(strings.NewReplacer("FILE", c.path, "URL", c.url, "HOST", strings.TrimPrefix(c.url, "http://")).Replace(text))
}
