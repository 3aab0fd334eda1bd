package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"mp3converter/shared/conversion"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
)

// make converts the video and stores the MP3. A *conversion.Failure is final; any
// other error is worth another attempt. The MP3's file lives in a directory of
// its own that is gone afterwards; the video is never copied.
func (a *attempt) make(ctx context.Context) (jobs.File, *conversion.MediaInfo, error) {
	var none jobs.File
	dir, err := os.MkdirTemp(a.config.TempDir, "mp3converter-")
	if err != nil {
		return none, nil, fmt.Errorf("working directory: %w", err)
	}
	defer os.RemoveAll(dir)

	in, err := openInput(ctx, a.videos, a.job.Video.ID)
	if errors.Is(err, media.ErrNotFound) {
		return none, nil, conversion.VideoMissing
	} else if err != nil {
		return none, nil, err
	}
	defer in.close()

	out := filepath.Join(dir, "out.mp3")
	source, ok := a.quick(ctx, dir, in, out)
	if !ok {
		source, err = a.planned(ctx, dir, in, out)
	}
	if err = in.blame(err); err != nil {
		return none, source, err
	}
	f, err := os.Open(out)
	if err != nil {
		return none, source, fmt.Errorf("open MP3: %w", err)
	}
	defer f.Close()
	object := media.Object{ID: id.New(), Job: a.job.ID, Name: a.job.AudioName(), ContentType: "audio/mpeg"}
	object, err = a.audio.Put(ctx, object, f)
	if err != nil {
		return none, source, fmt.Errorf("store MP3: %w", err)
	}
	return jobs.File{ID: object.ID, Size: object.Size}, source, nil
}

// planned looks at the video, decides how its MP3 is to be made, and makes it.
func (a *attempt) planned(ctx context.Context, dir string, in *input, out string) (*conversion.MediaInfo, error) {
	found, err := a.probe(ctx, dir, in)
	if err != nil {
		return nil, err
	}
	source := found.source()
	if source.Duration > a.config.MaxDuration {
		return source, conversion.TooLong
	}
	p, err := newPlan(found, a.job.Options, a.config.Bitrate, a.cores())
	if err != nil {
		return source, err
	}
	return source, a.encode(ctx, dir, in, p, out)
}

// cores is this conversion's share of the machine.
func (a *attempt) cores() int {
	return max(1, runtime.GOMAXPROCS(0)/max(1, int(a.working.Load())))
}
