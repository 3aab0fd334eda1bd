// Package splice encodes one long piece of audio to one MP3 on several cores.
// LAME has a single thread and is nine tenths of a conversion's work.
//
// PCM comes in on one stream, from one decoder: whatever seeking, timestamps,
// filters or odd containers there were, they are behind it. It is cut at frame
// boundaries into chunks of a good minute, which go to as many ffmpeg processes as
// there are cores. In front of each chunk an encoder gets pre-roll, the end of
// the music before it, so that filter bank and psychoacoustic model have settled
// when the music begins; those frames are dropped, and what is left is, nearly
// always to the bit, what a single encoder makes of the whole. There is no bit
// reservoir: every kept frame is checked to begin in itself. One Info frame is
// put in front, with exact counts, seek table, checksums, delay and padding.
//
// The price: without reservoir a frame cannot borrow bits from its neighbours.
// BenchmarkReservoir measures it. Up to 192 kbit/s, constant, steady sounds stay
// within 0.4 dB of signal to noise; clicks lose up to 1 dB, their worst frames
// 2.3 dB. At 320 kbit/s and V0 clicks' worst frames lose 4 to 5 dB, chords 6 dB
// of 66. Variable bitrates keep the quality else, and grow by up to 10 %.
//
// LAME's switch holds for a whole encode, so the reservoir cannot be off at the
// joints only. Keeping it, and moving what the first frame of a piece borrowed
// into the room that the piece before left over, was tried: of 14 joints for
// each kind of sound and setting, 6 to 14 had that room at the cut, nearly all
// within 49 frames, some nowhere near. All frames would have to be packed anew.
//
// A later version can spread one job over several converters, because a chunk
// needs nothing but its own PCM, pre-roll included, and its index:
//
//   - The pod that claimed the job decodes, stores each chunk's PCM (or FLAC)
//     under job, attempt and index, and wakes the others with a message a chunk.
//   - Any pod encodes a chunk with a fresh encoder, drops the pre-roll, and
//     stores the frames. Doing so twice gives the same bytes, so a lost or
//     doubled message does no harm. Chunks begin at multiples of Period, so each
//     has its place in the pattern of padded frames without knowing the others.
//   - The claiming pod renews the one lease, joins the pieces in order as they
//     arrive, re-sends what is late, and writes the Info frame: the joiner and
//     stream of this package, with the media store in place of memory.
//
// Decoding is a tenth of the work, so about ten pods are the most that pay.
package splice
