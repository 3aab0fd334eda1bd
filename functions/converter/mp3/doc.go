// Package mp3 reads and writes the framing of MPEG audio layer III: frame
// headers, the part of the side information that ties frames together, ID3v2
// tags (only to skip them), and the Xing header with its LAME extension, which
// carries length, seek table and gapless data.
//
// It neither decodes nor encodes audio, and runs no program. All input is untrusted:
// memory and work are bounded by constants.
//
// Units: sizes and offsets are bytes, bitrates are bits per second, lengths are
// samples per channel.
package mp3
