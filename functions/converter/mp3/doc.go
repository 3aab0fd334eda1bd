// Package mp3 reads and writes the framing of MPEG audio layer III: frame
// headers, the part of the side information that ties frames together, ID3v2
// tags (only to step over them), and the Xing/Info/LAME header that carries
// length, seek table and gapless data.
//
// It neither decodes nor encodes audio, runs no program and keeps no state.
// Everything it reads is taken to be hostile: memory and work are bounded, by
// constants for Inspect and by the length of the input for Scan.
//
// Units: sizes and offsets are bytes, bitrates are bits per second, lengths are
// samples per channel.
package mp3
