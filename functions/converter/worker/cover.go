package worker

import (
	"context"
	"log/slog"
	"mp3converter/shared/conversion"
	"path/filepath"
	"strconv"
	"time"
)

const (
	// coverAt is where in a video its picture is looked for, at the most: the
	// first seconds are often black.
	coverAt = 10 * time.Second
	// coverTime bounds the taking of a picture.
	coverTime = 30 * time.Second
)

// cover is the picture of the MP3: a track of the source, or a file of ours.
type cover struct {
	input []string // options that open it, if it is a file
	track string   // what to map; "" for no picture
}

// cover finds the picture that was wished for. An MP3 without one is better
// than none, so what goes wrong here is only logged.
func (a *attempt) cover(ctx context.Context, dir string, in *input, p *plan) cover {
	switch {
	case p.options.Cover == conversion.CoverKept && p.picture != nil && (p.picture.Codec == "mjpeg" || p.picture.Codec == "png"):
		return cover{track: "0:" + strconv.Itoa(p.picture.Index)}
	case p.options.Cover == conversion.CoverFrame && p.video != nil:
		path := filepath.Join(dir, "cover.jpg")
		if err := a.frame(ctx, dir, in, p, path); err != nil {
			slog.WarnContext(ctx, "no cover", "error", err)
			return cover{}
		}
		return cover{input: []string{"-f", "mjpeg", "-i", "file:" + path}, track: "1:0"}
	}
	return cover{}
}

// frame takes a picture of the video.
func (a *attempt) frame(ctx context.Context, dir string, in *input, p *plan, path string) error {
	at := p.options.Start + min(p.about/10, coverAt).Seconds()
	args := append(common("error"), "-ss", strconv.FormatFloat(at, 'f', 3, 64))
	args = append(args, in.args()...)
	args = append(args, "-map", "0:"+strconv.Itoa(p.video.Index), "-frames:v", "1", "-vf", "scale=w='min(640,iw)':h=-2",
		"-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "mjpeg", "-y", path)
	run := a.program(a.config.FFmpeg, dir, in, args)
	run.time, run.output = coverTime, 8<<20
	return run.do(ctx)
}

// args are the options that put the picture into the MP3.
func (c cover) args() []string {
	if c.track == "" {
		return []string{"-vn"}
	}
	return []string{"-map", c.track, "-c:v", "copy", "-disposition:v:0", "attached_pic"}
}
