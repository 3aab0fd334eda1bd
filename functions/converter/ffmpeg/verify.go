package ffmpeg

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/shared/conversion"
)

// verify checks the MP3 that ffmpeg wrote: ffmpeg also exits with 0 if the
// video is cut off.
func (r *conversionRun) verify() error {
	f, err := os.Open(r.out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: ffmpeg wrote no MP3: %w", conversion.Corrupt, err)
	case err != nil:
		return fmt.Errorf("open MP3: %w", err)
	}
	defer f.Close()
	return verifyMP3(f, r.plan.expected, r.MaxDuration)
}

// ErrBadOutput means that ffmpeg reported success, but what it wrote is not a complete
// MP3. Either the video has no sound or ffmpeg could not write, so the error wraps a
// *conversion.Failure for the case that it happens again.
var ErrBadOutput = errors.New("not a complete MP3")

// verifyMP3 checks that an MP3 is complete and has the expected duration. If expected
// is 0, the duration is unknown.
func verifyMP3(f io.ReadSeeker, expected, maximum time.Duration) error {
	info, err := mp3.Inspect(f)
	if err != nil && !errors.Is(err, mp3.ErrNotMP3) {
		return fmt.Errorf("read MP3: %w", err)
	}
	size, seekErr := f.Seek(0, io.SeekEnd)
	switch end := info.Offset + info.Xing.Bytes; {
	case err != nil:
		return fmt.Errorf("%w: %w: %w", ErrBadOutput, conversion.Corrupt, err)
	case !info.HasXing || info.Samples() == 0:
		return fmt.Errorf("%w: %w: no Xing header", ErrBadOutput, conversion.Corrupt)
	case seekErr != nil:
		return fmt.Errorf("read MP3: %w", seekErr)
	case size < end:
		return fmt.Errorf("%w: %w: %d bytes of %d", ErrBadOutput, conversion.Corrupt, size, end)
	case info.Duration() > maximum:
		return conversion.TooLong
	case expected > 0 && info.Duration() < expected-tolerance(expected):
		return fmt.Errorf("%w: MP3 of %v, want %v", conversion.Corrupt, info.Duration(), expected)
	}
	return nil
}

// tolerance returns how much shorter than expected an audio track may be: tracks
// end at packet boundaries, and containers round durations.
func tolerance(d time.Duration) time.Duration {
	return max(200*time.Millisecond, d/200)
}
