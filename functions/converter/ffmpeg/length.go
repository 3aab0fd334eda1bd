package ffmpeg

import (
	"context"
	"fmt"
	"time"

	"mp3converter/shared/conversion"
)

// compareLength compares the length of the MP3 with what the container announces. If there
// is less, the sound of a damaged or cut-off file is missing; the header of a file without
// damage was wrong, and the sound decides. The media info gets the true length.
func (r *conversionRun) compareLength(ctx context.Context, got time.Duration) error {
	p := r.plan
	short := isShort(got, p.expected)
	if !short && !r.options.Salvage && !mayHideCut(p.Format.Name) {
		r.setLength(got)
		return nil
	}
	found, err := r.structure(ctx)
	if err != nil {
		return err
	}
	announced := found.announced(p)
	damaged := found.cut || !found.known || r.complaints.any.Load()
	switch {
	case !damaged || !isShort(got, p.part(announced)):
		r.setLength(got)
	case !r.options.Salvage && (short || found.cut):
		return fmt.Errorf("%w: MP3 of %v, want %v", conversion.Corrupt, got, p.part(announced))
	default:
		r.mediaInfo.Missing = p.part(announced) - got
		r.mediaInfo.Duration = announced - r.mediaInfo.Missing
	}
	return nil
}

// isShort reports whether an MP3 is shorter than expected; 0 means unknown.
func isShort(got, expected time.Duration) bool { return got < expected-tolerance(expected) }

// tolerance returns how much shorter than expected an audio track may be: tracks
// end at packet boundaries, and containers round durations.
func tolerance(d time.Duration) time.Duration {
	return max(200*time.Millisecond, d/200)
}

// setLength corrects the length of the source if the MP3, of a part or of the whole, shows
// that it is wrong.
func (r *conversionRun) setLength(got time.Duration) {
	claim := r.mediaInfo.Duration
	end := time.Duration(r.options.Start*float64(time.Second)) + got
	wrong := isShort(got, r.plan.part(claim)) || end > claim+tolerance(claim)
	if wrong && claim > 0 {
		r.mediaInfo.Duration = end
	}
}
