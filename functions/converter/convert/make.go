package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
)

// make converts the video and stores the MP3. A *jobs.Failure is final; any
// other error is worth another attempt. The MP3's file lives in a directory of
// its own that is gone afterwards; the video is never copied.
func (a *attempt) make(ctx context.Context) (jobs.File, *jobs.Source, error) {
	var none jobs.File
	dir, err := os.MkdirTemp(a.config.TempDir, "mp3converter-")
	if err != nil {
		return none, nil, fmt.Errorf("working directory: %w", err)
	}
	defer os.RemoveAll(dir)

	in, err := openInput(ctx, a.videos, a.job.Video.ID)
	if errors.Is(err, media.ErrNotFound) {
		return none, nil, jobs.VideoGone
	} else if err != nil {
		return none, nil, err
	}
	defer in.close()

	found, err := a.probe(ctx, dir, in)
	if err != nil {
		return none, nil, in.blame(err)
	}
	source := found.source()
	if source.Duration > a.config.MaxDuration {
		return none, source, jobs.TooLong
	}
	out := filepath.Join(dir, "out.mp3")
	if err := a.encode(ctx, dir, in, found, out); err != nil {
		return none, source, in.blame(err)
	}
	f, err := os.Open(out)
	if err != nil {
		return none, source, fmt.Errorf("ffmpeg left no MP3: %w", err)
	}
	defer f.Close()
	if err := a.check(f, found); err != nil {
		return none, source, in.blame(err)
	}
	object := media.Object{ID: id.New(), Job: a.job.ID, Name: a.job.AudioName(), ContentType: "audio/mpeg"}
	object, err = a.audio.Put(ctx, object, f)
	if err != nil {
		return none, source, fmt.Errorf("store MP3: %w", err)
	}
	return jobs.File{ID: object.ID, Size: object.Size}, source, nil
}

// check makes sure that ffmpeg's success is one: it ends with 0 also when the
// video stops in the middle.
func (a *attempt) check(f *os.File, found *probe) error {
	info, err := mp3.Inspect(f)
	if err != nil {
		return fmt.Errorf("%w: MP3: %w", jobs.Corrupt, err)
	}
	if !info.HasTag || info.Samples() == 0 {
		return fmt.Errorf("%w: MP3 without length", jobs.Corrupt)
	}
	if info.Duration() > a.config.MaxDuration {
		return jobs.TooLong
	}
	if want := found.expected(); want > 0 && info.Duration() < want-tolerance(want) {
		return fmt.Errorf("%w: MP3 of %v, want %v", jobs.Corrupt, info.Duration(), want)
	}
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	return nil
}

// tolerance is how much shorter than announced a sound track may be: tracks are
// cut at the edges of packets, and containers round.
func tolerance(d time.Duration) time.Duration {
	return max(200*time.Millisecond, d/200)
}
