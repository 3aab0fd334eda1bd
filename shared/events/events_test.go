package events

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/id"
)

func structured(t testing.TB, e cloudevents.Event) *http.Request {
	t.Helper()
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON)
	return r
}

// binary returns a request in binary mode, as RabbitmqSource sends it.
func binary(e cloudevents.Event) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(e.Data()))
	r.Header.Set("Content-Type", e.DataContentType())
	for k, v := range map[string]string{"id": e.ID(), "source": e.Source(), "type": e.Type(), "specversion": e.SpecVersion(), "subject": e.Subject()} {
		r.Header.Set("Ce-"+k, v)
	}
	return r
}

func TestJobInBothModes(t *testing.T) {
	job := id.New()
	e := New(VideoUploaded, "gateway", job)
	if e.Subject() != job || e.ID() == "" || e.ID() == New(VideoUploaded, "gateway", job).ID() {
		t.Errorf("event %v", e)
	}
	for mode, r := range map[string]*http.Request{"structured": structured(t, e), "binary": binary(e)} {
		if got, err := JobID(httptest.NewRecorder(), r, VideoUploaded); err != nil || got != job {
			t.Errorf("%s: %q, %v", mode, got, err)
		}
	}
}

func TestJobErrors(t *testing.T) {
	noData := New(VideoUploaded, "t", id.New())
	if err := noData.SetData(cloudevents.ApplicationJSON, map[string]string{}); err != nil {
		t.Fatal(err)
	}
	noSource := New(VideoUploaded, "t", id.New())
	noSource.SetSource("")
	for name, e := range map[string]cloudevents.Event{
		"another type": New(JobFinished, "t", id.New()),
		"no job":       New(VideoUploaded, "t", ""),
		"a path":       New(VideoUploaded, "t", "../../etc/passwd"),
		"no data":      noData,
		"no source":    noSource,
	} {
		if job, err := JobID(httptest.NewRecorder(), structured(t, e), VideoUploaded); err == nil {
			t.Errorf("%s: accepted as %q", name, job)
		}
	}
}

// RabbitmqSource sends an event as headers, which may be missing one by one.
func TestIncompleteHeaders(t *testing.T) {
	for _, name := range []string{"Ce-Id", "Ce-Source", "Ce-Type", "Ce-Specversion"} {
		r := binary(New(VideoUploaded, "t", id.New()))
		r.Header.Del(name)
		if job, err := JobID(httptest.NewRecorder(), r, VideoUploaded); err == nil {
			t.Errorf("without %s: accepted as %q", name, job)
		}
	}
}

func TestJobLimit(t *testing.T) {
	e := New(VideoUploaded, "t", id.New())
	e.SetExtension("padding", strings.Repeat("x", MaxBytes))
	if _, err := JobID(httptest.NewRecorder(), structured(t, e), VideoUploaded); err == nil {
		t.Error("an event over the limit was accepted")
	}
}

func FuzzJob(f *testing.F) {
	body, err := json.Marshal(New(VideoUploaded, "t", id.New()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cloudevents.ApplicationCloudEventsJSON, "", body)
	f.Add("application/json", VideoUploaded, []byte(`{"job":"0123456789abcdef01234567"}`))
	f.Add("application/cloudevents-batch+json", "", []byte(`[]`))
	f.Add("", "", []byte("\x00"))
	f.Fuzz(func(t *testing.T, contentType, eventType string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		if eventType != "" {
			for k, v := range map[string]string{"Id": "1", "Source": "/t", "Type": eventType, "Specversion": "1.0"} {
				r.Header["Ce-"+k] = []string{v}
			}
		}
		job, err := JobID(httptest.NewRecorder(), r, VideoUploaded)
		if err == nil && !id.Valid(job) {
			t.Errorf("accepted: %q", job)
		}
	})
}
