package mp3_test

import (
	"testing"

	"mp3converter/functions/converter/mp3"
	"mp3converter/shared/conversion"
)

// TestOptions checks that MP3 has every sample rate and bitrate that users may ask for.
func TestOptions(t *testing.T) {
	checked := 0
	for _, o := range conversion.AllOptions {
		values, ok := o.Values.(conversion.Integers)
		if !ok {
			continue
		}
		for _, v := range values {
			checked++
			switch o.Name {
			case "sample_rate":
				if _, ok := mp3.VersionOf(v); !ok {
					t.Errorf("MP3 has no sample rate of %d Hz", v)
				}
			case "bitrate":
				h := mp3.Header{Version: mp3.MPEG1, SampleRate: 44100, Bitrate: v * 1000}
				if _, err := h.Bytes(); err != nil {
					t.Errorf("MP3 has no bitrate of %d kbit/s: %v", v, err)
				}
			default:
				t.Errorf("option %s is not checked", o.Name)
			}
		}
	}
	if checked == 0 {
		t.Error("no values found")
	}
}
