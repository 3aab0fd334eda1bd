package parallel

import "encoding/binary"

// wavHeader is the header of a WAV file of unlimited length. It precedes the PCM
// because ffmpeg reads bare PCM in packets of 1024 samples. Packets of a WAV file may
// be larger, and each packet costs the same.
func (p Params) wavHeader() []byte {
	const chunkSize, unlimited = 16, 1<<32 - 1
	format := uint16(1) // integers
	if p.Format == "f32le" {
		format = 3
	}
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), unlimited)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, chunkSize)
	b = binary.LittleEndian.AppendUint16(b, format)
	b = binary.LittleEndian.AppendUint16(b, uint16(p.Channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.SampleRate))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.SampleRate*p.bytesPerSample()))
	b = binary.LittleEndian.AppendUint16(b, uint16(p.bytesPerSample()))
	b = binary.LittleEndian.AppendUint16(b, uint16(8*bytesPerValue[p.Format]))
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, unlimited)
}
