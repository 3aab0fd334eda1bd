package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"mp3converter/shared/conversion"
	"strconv"
	"strings"
)

// target is the loudness that normalised MP3s have: what EBU R128 measures, at
// the level that is common for podcasts and streaming.
const target = "loudnorm=I=-16:TP=-1.5:LRA=11"

// measurement is what loudnorm's first pass says.
type measurement struct {
	I         string `json:"input_i"`
	TP        string `json:"input_tp"`
	LRA       string `json:"input_lra"`
	Threshold string `json:"input_thresh"`
	Offset    string `json:"target_offset"`
}

// filters returns the options of the filters, if any. Loudness is measured
// first, in a pass of its own: only then can it be changed by one constant
// factor, which leaves the dynamics alone.
func (a *attempt) filters(ctx context.Context, dir string, in *input, p *plan) ([]string, error) {
	if !p.options.Normalize {
		return nil, nil
	}
	args := append(reporting("info"), p.seek()...)
	args = append(args, in.args()...)
	args = append(args, "-map", "0:"+strconv.Itoa(p.audio.Index), "-vn", "-sn", "-dn")
	args = append(args, p.limit(a.config.MaxDuration)...)
	args = append(args, "-af", p.mix()+target+":print_format=json", "-f", "null", "-")
	var said tail
	run := a.program(a.config.FFmpeg, dir, in, args)
	run.stdout = a.progressOf(p, 0, 40)
	run.stderr = &said
	run.time = a.timeLimit(p)
	if err := run.do(ctx); err != nil {
		return nil, ffmpegFailure(err)
	}
	m, err := parseMeasurement(said.b)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, nil // silence stays silence
	}
	if !strings.HasPrefix(m.I, "-") {
		// Louder than full scale, as floating point can be: more than the
		// filter takes as measured. It finds its own way.
		return []string{"-af", fmt.Sprintf("%s%s,aresample=%d", p.mix(), target, p.rate)}, nil
	}
	filter := fmt.Sprintf("%s%s:linear=true:measured_I=%s:measured_TP=%s:measured_LRA=%s:measured_thresh=%s:offset=%s,aresample=%d",
		p.mix(), target, m.I, m.TP, m.LRA, m.Threshold, m.Offset, p.rate)
	return []string{"-af", filter}, nil
}

// mix is the filter that makes the MP3's channels. It comes before loudness is
// measured: surround sound that is mixed to stereo afterwards comes out louder.
func (p *plan) mix() string {
	return "aformat=channel_layouts=" + map[int]string{1: "mono", 2: "stereo"}[p.channels] + ","
}

// parseMeasurement finds loudnorm's answer at the end of what ffmpeg said. It
// returns nil for silence, whose loudness is minus infinity.
func parseMeasurement(said []byte) (*measurement, error) {
	begin, end := bytes.LastIndexByte(said, '{'), bytes.LastIndexByte(said, '}')
	if begin < 0 || end < begin {
		return nil, fmt.Errorf("%w: loudness was not measured", conversion.Corrupt)
	}
	var m measurement
	if err := json.Unmarshal(said[begin:end+1], &m); err != nil {
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
		*s = strconv.FormatFloat(min(99, max(-99, f)), 'f', 2, 64) // as the filter takes it
	}
	return &m, nil
}
