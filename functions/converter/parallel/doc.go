// Package parallel encodes one long PCM stream to one MP3 on several cores. LAME
// has a single thread and takes nine tenths of a conversion's processor time.
//
// The PCM is read once, from one decoder, so seeking, timestamps, filters and
// containers are not this package's concern. It is cut at frame boundaries into
// chunks of at most about two minutes (at 44.1 kHz), which go in turn to as many
// ffmpeg processes as there are cores. The output of an encoder for a chunk is called
// a segment. Neighbouring chunks share 98 frames of audio:
//
//   - 71 warm-up frames, in which the filter bank and the psychoacoustic model of the
//     later encoder settle; its output for them is dropped;
//   - 24 overlap frames, which both encoders encode; the splice point, where the
//     later segment takes over, is one of them;
//   - 3 look-ahead frames, which the earlier encoder must see before it writes the
//     frames in front of them.
//
// A Xing frame in front holds the exact length, seek table, checksums, delay and
// padding.
//
// # The bit reservoir
//
// The main data of a frame may begin in earlier frames: the bit reservoir. At a
// splice point, the main data that the first kept frame borrowed lies in dropped
// frames. It is copied into the unused end of the earlier segment's data areas. If
// there is enough unused space, the earlier frames change only in bytes that were
// unused. Otherwise one frame gets a higher bitrate, and so becomes larger, as frames
// of a variable bitrate do. A file of constant bitrate may therefore hold a few frames
// of another size.
//
// Measured with noise, chords, speech and clicks:
//
//	                     splice points   at the first frame   at a later one   larger frame
//	constant bitrate              2544                 2487               52              5
//	variable bitrate              1680                 1012              595             73
//
// At the highest bitrate there is no larger frame, so the space has to be found; all
// 1200 splice points had it within 9 frames. If there is no space in any, Encode fails
// with ErrNoSplicePoint.
//
// Encoding without a bit reservoir would be simpler, but LAME can only turn it off for
// a whole encode. That takes a sixth more processor time and costs 0.4 dB of
// signal-to-noise ratio for steady sounds, up to 5 dB for clicks.
//
// # Encoding on several machines (not implemented)
//
// A chunk needs nothing but its PCM and its index, and encoding it twice with fresh
// encoders gives the same bytes. Chunks could therefore be encoded on other machines.
// Decoding is a tenth of the work, so about ten machines are the useful maximum.
package parallel
