// Package parallel encodes one long piece of audio to one MP3 on several cores.
// LAME has a single thread and is nine tenths of a conversion's work.
//
// PCM comes in on one stream, from one decoder: whatever seeking, timestamps,
// filters or odd containers there were, they are behind it. It is cut at frame
// boundaries into chunks of up to two minutes, which go in turn to as many ffmpeg
// processes as there are cores. Neighbouring chunks share 98 frames: in the first
// 71 the filter bank and psychoacoustic model of the encoder that begins settle,
// those frames are dropped; then 24 come from both encoders, and in one of them the
// second takes over; three are for the first one's look ahead. One Info frame is put
// in front, with exact counts, seek table, checksums, delay and padding.
//
// A frame borrows room from those in front of it: the bit reservoir. At a joint, the
// first frame of a piece borrowed from frames that are dropped. What it put there
// moves into the room that the kept frames left over, if that is enough: then no
// frame is changed but for bytes that nobody reads. Of 2544 joints at constant
// bitrate, tried with noise, chords, speech and clicks, 2487 had that room at once
// and 5 not within the 24 frames; of 1680 at variable bitrate 1012 and 73. For those
// one frame gets a higher bitrate, and so is larger, as every decoder knows it from
// variable bitrates. A file of constant bitrate may thus hold a frame of another
// size. At the highest bitrate there is no larger frame; there all 1200 joints had
// room within 9 frames. Should one ever have none, Encode fails with ErrNoRoom.
//
// To do without reservoir (LAME's switch holds for a whole encode) is simpler and
// was tried: it takes a sixth more processor time and costs quality, 0.4 dB of signal
// to noise for steady sounds and up to 5 dB for clicks.
//
// A later version can spread one job over several converters, because a chunk
// needs nothing but its own PCM and its index:
//
//   - The pod that claimed the job decodes, stores each chunk's PCM (or FLAC)
//     under job, attempt and index, and wakes the others with a message a chunk.
//   - Any pod encodes a chunk with a fresh encoder and stores all its frames. Doing
//     so twice gives the same bytes, so a lost or doubled message does no harm.
//     Chunks begin at multiples of Period, so each has its place in the pattern of
//     padded frames without knowing the others.
//   - The claiming pod renews the one lease, joins the pieces in order as they
//     arrive, re-sends what is late, and writes the Info frame: the joiner and
//     stream of this package, with the media store in place of memory.
//
// Decoding is a tenth of the work, so about ten pods are the most that pay.
package parallel
