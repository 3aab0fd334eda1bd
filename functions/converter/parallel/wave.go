package parallel

import "encoding/binary"

// wave is the header of a WAV file without end. Encoders get it in front of the
// PCM: ffmpeg reads bare PCM in packets of 1024 samples, and spends as much on each
// as on one of a WAV file, which may be larger.
func (p Params) wave() []byte {
	const chunk, unknown = 16, 1<<32 - 1
	code := uint16(1) // whole numbers
	if p.Format == "f32le" {
		code = 3
	}
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), unknown)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, chunk)
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(p.Channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.SampleRate))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.SampleRate*p.sampleBytes()))
	b = binary.LittleEndian.AppendUint16(b, uint16(p.sampleBytes()))
	b = binary.LittleEndian.AppendUint16(b, uint16(8*sampleSizes[p.Format]))
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, unknown)
}
