package parallel

// PaddingPeriod is for tests that need the length of a chunk.
const PaddingPeriod = paddingPeriod

// WithChunkFrames returns a configuration whose chunks add so many frames each, to get
// many splice points from little audio.
func (c Config) WithChunkFrames(frames int) Config {
	c.chunkFrames = frames
	return c
}
