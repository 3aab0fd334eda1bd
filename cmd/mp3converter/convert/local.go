package convert

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"mp3converter/functions/converter/ffmpeg"
	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
)

const (
	// Nobody else waits for this machine, so the limits only end what never ends.
	maxDuration = 7 * 24 * time.Hour
	maxTime     = 24 * time.Hour
)

// local converts on this machine.
type local struct {
	converter *ffmpeg.Converter
	options   conversion.Options
}

func newLocal(cfg config) (*local, error) {
	options, err := conversion.ParseOptions(cfg.options)
	if err != nil {
		return nil, err
	}
	var limits ffmpeg.Config
	if err := envconfig.Process("", &limits); err != nil {
		return nil, err
	}
	if os.Getenv("MAX_DURATION") == "" {
		limits.MaxDuration = maxDuration
	}
	if os.Getenv("MAX_CONVERSION") == "" {
		limits.MaxTime = maxTime
	}
	limits.Conversions = int64(cfg.parallel)
	converter, err := ffmpeg.New(limits)
	if err != nil {
		return nil, err
	}
	return &local{converter, options}, nil
}

func (l *local) convert(ctx context.Context, in *source, out *output, row *row, r *result) error {
	row.phase("converting", 100)
	video := ffmpeg.Input{Title: (&jobs.Job{Name: in.name}).Title(), Size: in.info.Size(), Open: func(context.Context) (io.ReadSeekCloser, error) {
		return os.Open(in.path)
	}}
	result, err := l.converter.Convert(ctx, video, l.options, func(percent int) { row.set(int64(percent)) })
	defer result.Close() //nolint:staticcheck // the result is never nil
	if err != nil {
		return err
	}
	r.Missing = result.MediaInfo.Missing.Seconds()
	return out.copyFrom(result.MP3)
}

// localSentence replaces what a failure of a conversion says of services and uploads.
var localSentence = strings.NewReplacer("this service", "this program", "upload the new copy", "convert the new copy")
