package ffmpeg

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"mp3converter/functions/converter/sandbox"
	"mp3converter/shared/conversion"
)

// loudnorm is the filter for EBU R128 loudness, at the level that is common for
// podcasts and streaming.
const loudnorm = "loudnorm=I=-16:TP=-1.5:LRA=11"

// measurement is the result of loudnorm's first pass.
type measurement struct {
	I         string `json:"input_i"`
	TP        string `json:"input_tp"`
	LRA       string `json:"input_lra"`
	Threshold string `json:"input_thresh"`
	Offset    string `json:"target_offset"`
}

// loudnessFilter returns the filter that normalizes the loudness, if the options ask
// for it. It measures the loudness first: only then can the filter
// apply one constant gain, which preserves the dynamics.
func (r *conversionRun) loudnessFilter(ctx context.Context) (string, error) {
	if !r.options.Normalize {
		return "", nil
	}
	p, mix := r.plan, r.plan.mixFilter()
	args := append(progressArgs("info"), p.salvageArgs()...)
	args = append(args, p.seekArgs()...)
	args = append(args, r.input.args()...)
	args = append(args, "-map", "0:"+strconv.Itoa(p.audio.Index), "-vn", "-sn", "-dn")
	args = append(args, p.limitArgs(r.MaxDuration)...)
	args = append(args, "-af", p.clockFilter()+mix+loudnorm+":print_format=json", "-f", "null", "-")
	var stderr sandbox.Tail
	cmd := r.command(r.FFmpeg, args)
	cmd.stdout = r.progressWriter(0, r.encodeStart())
	cmd.stderr = &stderr
	r.limitTime(cmd)
	if err := cmd.run(ctx); err != nil {
		return "", classifyError(err)
	}
	m, err := parseMeasurement([]byte(stderr.String()))
	if err != nil {
		return "", err
	}
	if m == nil {
		return "", nil // silence cannot be normalized
	}
	if !strings.HasPrefix(m.I, "-") {
		// Floating-point audio above full scale: the filter does not accept
		// such a measurement, so it must measure the loudness itself.
		return fmt.Sprintf("%s%s,aresample=%d", mix, loudnorm, p.rate), nil
	}
	return fmt.Sprintf("%s%s:linear=true:measured_I=%s:measured_TP=%s:measured_LRA=%s:measured_thresh=%s:offset=%s,aresample=%d",
		mix, loudnorm, m.I, m.TP, m.LRA, m.Threshold, m.Offset, p.rate), nil
}

// mixFilter mixes to the channels of the MP3. That comes before loudness is
// measured: surround sound mixed to stereo afterwards would be louder.
func (p *plan) mixFilter() string {
	return "aformat=channel_layouts=" + map[int]string{1: "mono", 2: "stereo"}[p.channels] + ","
}

// parseMeasurement parses loudnorm's result at the end of ffmpeg's stderr. It
// returns nil for silence, whose loudness is minus infinity.
func parseMeasurement(stderr []byte) (*measurement, error) {
	begin, end := bytes.LastIndexByte(stderr, '{'), bytes.LastIndexByte(stderr, '}')
	if begin < 0 || end < begin {
		return nil, fmt.Errorf("%w: loudness was not measured", conversion.Corrupt)
	}
	var m measurement
	if err := json.Unmarshal(stderr[begin:end+1], &m); err != nil {
		return nil, fmt.Errorf("%w: loudness: %w", conversion.Corrupt, err)
	}
	for _, s := range []*string{&m.I, &m.TP, &m.LRA, &m.Threshold, &m.Offset} {
		f, err := strconv.ParseFloat(*s, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: loudness %.20q", conversion.Corrupt, *s)
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, nil
		}
		*s = strconv.FormatFloat(min(99, max(-99, f)), 'f', 2, 64) // the range that the filter accepts
	}
	return &m, nil
}
