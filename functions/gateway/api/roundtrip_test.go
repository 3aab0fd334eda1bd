package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"testing"

	"mp3converter/shared/conversion"
)

func TestStandardPresetIsTheDefault(t *testing.T) {
	got, err := parseOptions(url.Values{"preset": {"standard"}})
	if err != nil || !reflect.DeepEqual(got, conversion.Options{}) {
		t.Errorf("preset=standard gives %+v, %v; want the zero Options", got, err)
	}
}

// The options in a job can be sent with another upload and have the same effect.
func TestOptionsRoundTrip(t *testing.T) {
	s := startGateway(t, nil)
	for _, query := range []string{
		"",
		"preset=standard",
		"preset=speech&track=2",
		"preset=high&cover=none",
		"quality=0&sample_rate=22050&channels=stereo&start=1:30.5&end=2:00&track=DEU&cover=frame&chapters=drop&normalize=true&salvage=true&title=1&artist=true&album=%22x%22&comment=c",
	} {
		upload := func(query string) (jobID string, options json.RawMessage) {
			t.Helper()
			res, b := s.do(t, "POST", "/upload?"+query, bytes.NewReader(video), "Content-Type", "video/mp4")
			if res.StatusCode != http.StatusAccepted {
				t.Fatalf("%s: %d %s", query, res.StatusCode, b)
			}
			job := decode[struct {
				ID      string
				Options json.RawMessage
			}](t, b)
			return job.ID, job.Options
		}
		first, options := upload(query)
		second, again := upload(url.Values{"options": {string(options)}}.Encode())
		if !bytes.Equal(options, again) {
			t.Errorf("%s: options %s became %s", query, options, again)
		}
		a, err := s.Jobs.Get(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Jobs.Get(t.Context(), second)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a.Options, b.Options) {
			t.Errorf("%s: stored as %+v, then as %+v", query, a.Options, b.Options)
		}
	}
}
