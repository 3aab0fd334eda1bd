package parallel

import "testing"

func TestEqualChunkFrames(t *testing.T) {
	for workers := 1; workers <= 9; workers++ {
		for frames := 0; frames < 20*maxChunkFrames; frames += 331 {
			got := equalChunkFrames(frames, workers)
			if got <= 0 || got > maxChunkFrames || got%paddingPeriod != 0 {
				t.Fatalf("%d frames, %d workers: chunks of %d frames; want a multiple of %d, at most %d",
					frames, workers, got, paddingPeriod, maxChunkFrames)
			}
			if frames == 0 {
				continue
			}
			// Each worker's share, rounded up to whole periods.
			rounds := ceilDiv(frames, got*workers)
			if got*workers*rounds-frames > rounds*workers*paddingPeriod {
				t.Errorf("%d frames, %d workers: %d rounds with chunks of %d frames are unequal", frames, workers, rounds, got)
			}
		}
	}
}
