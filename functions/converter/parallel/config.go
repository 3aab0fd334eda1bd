package parallel

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

// Config says which encoders to run and how many.
type Config struct {
	// Command returns a command that runs ffmpeg with args. ffmpeg must include
	// libmp3lame. When ctx ends, the command must kill every process that it has
	// started, for example with a process group.
	Command func(ctx context.Context, args []string) *exec.Cmd
	// Workers is how many encoders run at once; 0 means 1.
	Workers int
	// Length is the expected length of the audio, or 0 if it is unknown. Chunk
	// sizes are chosen so that all encoders get equal work.
	Length time.Duration
	// Progress, if set, is called after every segment with the number of samples
	// written. It is called from one goroutine and must not block.
	Progress func(samples int64)

	// chunkFrames is how many frames each chunk adds to the MP3, a multiple of
	// paddingPeriod. 0 means that Length decides. Tests set it to get many chunks
	// from little audio.
	chunkFrames int
}

// paddingPeriod is the number of frames after which the pattern of padded frames
// repeats at constant bitrate. At 44.1, 22.05 and 11.025 kHz a frame is not a
// whole number of bytes, but 49 frames are, at every bitrate.
// Chunks begin at multiples of it, so that segments follow the pattern that one
// encoder would have made.
const paddingPeriod = 49

// maxChunkFrames is about two minutes at 44.1 kHz, or 41 MB of 32-bit stereo PCM.
// Longer chunks encode fewer frames twice, shorter ones need less memory.
const maxChunkFrames = 90 * paddingPeriod

// Neighbouring chunks share sharedFrames frames of audio.
const (
	sharedFrames = warmUpFrames + overlapFrames + lookAheadFrames
	// warmUpFrames covers the slowest convergence seen: after clicks in near
	// silence, a fresh encoder took 69 frames to make the same output as one that
	// had run from the beginning. Music takes up to 24.
	warmUpFrames = 71
	// overlapFrames is how many frames come from both encoders: the candidates for
	// the splice point.
	overlapFrames = 24
	// lookAheadFrames is how far LAME looks ahead. It writes a frame only when it
	// has seen the next one and the window of its psychoacoustic model.
	lookAheadFrames = 3
)

// Compile-time check: sharedFrames is a multiple of paddingPeriod.
const _ = uint(-(sharedFrames % paddingPeriod))

// lengthPerWorker is the length of audio that justifies one more encoder. With less,
// starting and warming up the encoder costs more than a tenth of the work it takes
// over.
const lengthPerWorker = 150 * time.Second

// WorkersFor returns how many encoders to use for audio of the given length on the
// given number of cores. If it returns 1, a plain ffmpeg is as fast.
func WorkersFor(length time.Duration, cores int) int {
	return max(1, min(cores, int(length/lengthPerWorker)))
}

// BufferSize returns the most memory, in bytes, that Encode takes for PCM with that many
// workers. It is not on the Go heap.
func BufferSize(workers int) uint64 {
	const frameBytes = 1152 * 2 * 4 // stereo, 32 bit
	return uint64(buffers(workers)) * (maxChunkFrames + sharedFrames) * frameBytes
}

// buffers is how many chunks are in memory: for each encoder one in use, one that is queued
// and one that is being filled.
func buffers(workers int) int { return workers + 2 }

// withDefaults fills in the fields that are zero.
func (c Config) withDefaults(p Params) (Config, error) {
	if c.Command == nil {
		return c, errors.New("parallel: Config.Command is not set")
	}
	c.Workers = max(c.Workers, 1)
	if c.chunkFrames == 0 {
		c.chunkFrames = equalChunkFrames(p.frames(c.Length), c.Workers)
	}
	return c, nil
}

// equalChunkFrames divides the frames into equal chunks for all workers. If the
// number is unknown (0), chunks are as large as they may be.
func equalChunkFrames(frames, workers int) int {
	if frames <= 0 {
		return maxChunkFrames
	}
	chunksPerWorker := ceilDiv(frames, workers*maxChunkFrames)
	return paddingPeriod * ceilDiv(frames, chunksPerWorker*workers*paddingPeriod)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
