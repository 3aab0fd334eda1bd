// Package splice encodes one long piece of audio to one MP3 on several cores.
// LAME has a single thread and is nine tenths of a conversion's work.
//
// PCM comes in on one stream, from one decoder: whatever seeking, timestamps,
// filters or odd containers there were, they are behind it. It is cut at frame
// boundaries into chunks of a minute, which go to as many ffmpeg processes as
// there are cores. In front of each chunk an encoder gets pre-roll, the end of
// the music before it, so that filter bank and psychoacoustic model have settled
// when the music begins; those frames are dropped, and what is left is, nearly
// always to the bit, what a single encoder makes of the whole. There is no bit
// reservoir: every kept frame is checked to begin in itself. One Info frame is
// put in front, with exact counts, seek table, checksums, delay and padding.
//
// The price: without reservoir a frame cannot borrow bits from its neighbours.
// See docs/conversion.md; at constant bitrate clicks lose about 1 dB, steady
// sounds nothing; at variable bitrate files grow by up to 9 %. LAME's switch for
// it holds for a whole encode, not for the frames at a joint. Keeping it and
// moving a piece's borrowed bytes into the room that the piece before left over
// was tried: of 14 joints a kind, 6 to 14 had the room at the frame of the cut,
// some none within 49 frames, so it would need a repacking of all frames.
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
