package ffmpeg

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"mp3converter/shared/conversion"
)

const (
	// maxCoverOffset limits how far into the video the frame is taken. The
	// first seconds are often black.
	maxCoverOffset = 10 * time.Second
	coverTimeout   = 30 * time.Second
)

// cover is the picture of the MP3: a stream of the video, or a file.
type cover struct {
	input []string // arguments that open the file; empty for a stream
	track string   // argument of -map; empty if there is no picture
}

// findCover returns the picture that the options ask for. Errors are only
// logged: an MP3 without a picture is better than none.
func (r *conversionRun) findCover(ctx context.Context) cover {
	picture := r.plan.picture
	switch {
	case r.options.Cover == conversion.CoverKept && picture != nil && (picture.Codec == "mjpeg" || picture.Codec == "png"):
		return cover{track: "0:" + strconv.Itoa(picture.Index)}
	case r.options.Cover == conversion.CoverFrame && r.plan.video != nil:
		path := filepath.Join(r.dir, "cover.jpg")
		if err := r.extractFrame(ctx, path); err != nil {
			slog.WarnContext(ctx, "cannot extract a frame for the cover", "error", err)
			return cover{}
		}
		return cover{input: []string{"-f", "mjpeg", "-i", "file:" + path}, track: "1:0"}
	}
	return cover{}
}

// extractFrame writes a frame of the video to path: the first one of the part that is
// converted if the video is shorter than its header announces.
func (r *conversionRun) extractFrame(ctx context.Context, path string) error {
	err := r.extractFrameAt(ctx, r.options.Start+min(r.plan.estimate/10, maxCoverOffset).Seconds(), path)
	if _, statErr := os.Stat(path); err == nil && statErr != nil {
		err = r.extractFrameAt(ctx, r.options.Start, path)
	}
	return err
}

func (r *conversionRun) extractFrameAt(ctx context.Context, at float64, path string) error {
	args := append(commonArgs("error"), "-ss", strconv.FormatFloat(at, 'f', 3, 64))
	args = append(args, r.input.args()...)
	args = append(args, "-map", "0:"+strconv.Itoa(r.plan.video.Index), "-frames:v", "1", "-vf", "scale=w='min(640,iw)':h=-2",
		"-c:v", "mjpeg", "-threads", "1", "-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "mjpeg", "-y", path)
	cmd := r.command(r.FFmpeg, args)
	cmd.timeout, cmd.output = coverTimeout, 8<<20
	return cmd.run(ctx)
}

// args returns the arguments that add the picture to the MP3.
func (c cover) args() []string {
	if c.track == "" {
		return []string{"-vn"}
	}
	return []string{"-map", c.track, "-c:v", "copy", "-disposition:v:0", "attached_pic"}
}
