package ffmpeg

import (
	"context"
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
func (r *conversionRun) verify(ctx context.Context) error {
	f, err := os.Open(r.out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: ffmpeg wrote no MP3: %w", conversion.Corrupt, err)
	case err != nil:
		return fmt.Errorf("open MP3: %w", err)
	}
	defer f.Close()
	length, err := verifyMP3(f, r.MaxDuration)
	if err != nil {
		return err
	}
	return r.compareLength(ctx, length)
}

// ErrBadOutput means that ffmpeg reported success, but what it wrote is not a complete
// MP3. Either the video has no sound or ffmpeg could not write, so the error wraps a
// *conversion.Failure for the case that it happens again.
var ErrBadOutput = errors.New("not a complete MP3")

// verifyMP3 checks that an MP3 is complete and not too long, and returns its duration.
func verifyMP3(f io.ReadSeeker, maximum time.Duration) (time.Duration, error) {
	info, err := mp3.Inspect(f)
	if err != nil && !errors.Is(err, mp3.ErrNotMP3) {
		return 0, fmt.Errorf("read MP3: %w", err)
	}
	size, seekErr := f.Seek(0, io.SeekEnd)
	switch end := info.Offset + info.Xing.Bytes; {
	case err != nil:
		return 0, fmt.Errorf("%w: %w: %w", ErrBadOutput, conversion.Corrupt, err)
	case !info.HasXing || info.Samples() == 0:
		return 0, fmt.Errorf("%w: %w: no Xing header", ErrBadOutput, conversion.Corrupt)
	case seekErr != nil:
		return 0, fmt.Errorf("read MP3: %w", seekErr)
	case size < end:
		return 0, fmt.Errorf("%w: %w: %d bytes of %d", ErrBadOutput, conversion.Corrupt, size, end)
	case info.Duration() > maximum:
		return 0, conversion.TooLong
	}
	return info.Duration(), nil
}
