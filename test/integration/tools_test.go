package integration

import (
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"mp3converter/functions/converter/mp3"
	"mp3converter/test/gridfstools"
	"mp3converter/test/mongotest"
	"mp3converter/test/samples"
)

// testTools replaces the video of a queued job with mongofiles and Python. The MP3 is that
// of the new video.
func (h *harness) testTools(t *testing.T) {
	tools, err := gridfstools.Tools()
	if err != nil {
		t.Fatal(err)
	}
	mongodb, err := url.Parse(h.mongodb)
	if err != nil {
		t.Fatal(err)
	}
	server := gridfstools.Server{Address: mongodb.Host}
	videos := mongotest.Client(t, h.mongodb).Database("videos")
	u := h.register(t, "tools@example.com")
	const length = 7
	replacement, err := samples.Spec{Name: "replacement.mkv", Seconds: length}.Path(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools {
		t.Run(tool.Name, func(t *testing.T) {
			h.converter.pause(t)
			j := u.upload(t, samples.Spec{Name: "replaced.mp4", Seconds: 2})
			id, err := mongotest.ObjectOfJob(t.Context(), videos, j.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := tool.Delete(t.Context(), server, "videos", id); err != nil {
				t.Fatal(err)
			}
			if err := tool.Put(t.Context(), server, "videos", id, replacement); err != nil {
				t.Fatal(err)
			}
			h.converter.resume(t)

			h.waitFor(t, "the job is done", janitorDelay, func() bool { return u.job(t, j.ID).State == "done" })
			status, audio := u.getAudio(t, j.ID, nil)
			if status != http.StatusOK {
				t.Fatalf("download: status %d", status)
			}
			info, err := mp3.Inspect(strings.NewReader(audio))
			if err != nil || (info.Duration()-length*time.Second).Abs() > 200*time.Millisecond {
				t.Errorf("an MP3 of %v, %v; want %d s", info.Duration(), err, length)
			}
		})
	}
}

// pause stops the process until resume is called.
func (f *function) pause(t *testing.T) {
	t.Helper()
	if err := f.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.resume(t) })
}

func (f *function) resume(t *testing.T) {
	t.Helper()
	if err := f.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Error(err)
	}
}
