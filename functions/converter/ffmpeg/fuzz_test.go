package ffmpeg

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/conversion"
)

func FuzzParseProbe(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":1,"codec_type":"audio","codec_name":"aac","sample_rate":"44100","channels":2,"duration":"1.0"}],"format":{"format_name":"mov,mp4","duration":"1.0"}}`))
	f.Add([]byte(`{"streams":[],"format":{}}`))
	f.Add([]byte(`{"streams":[{"codec_type":"audio","sample_rate":"1e9","channels":-1,"tags":{"DURATION":"99999:99:1e300"}}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		p, err := parseProbe(answer, "")
		if err != nil {
			var failure *conversion.Failure
			if !errors.As(err, &failure) {
				t.Fatalf("error is not a *conversion.Failure: %v", err)
			}
			return
		}
		if p.duration() < 0 || p.expected() < 0 || p.audio.rate() <= 0 || p.audio.Channels <= 0 {
			t.Errorf("accepted: %+v", p)
		}
		plan, err := newPlan(p, conversion.Options{}, 192, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range plan.tagArgs("title") {
			if strings.ContainsRune(arg, 0) || len(arg) > maxTag+20 {
				t.Errorf("argument %q", arg)
			}
		}
	})
}

func FuzzProgress(f *testing.F) {
	f.Add([]byte("out_time_us=1500000\nprogress=continue\n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		p := &progressWriter{total: 3 * time.Second, set: func(done float64) {
			if !(done >= 0 && done <= 1) {
				t.Errorf("progress %v", done)
			}
		}}
		if _, err := p.Write(lines); err != nil {
			t.Error(err)
		}
	})
}
