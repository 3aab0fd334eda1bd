package api

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"mp3converter/shared/logs"
)

// syncBuffer is a buffer that is safe for concurrent use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// No token, password or file name may be logged, whichever request is rejected and for
// whichever reason.
func TestLogContainsNoSecrets(t *testing.T) {
	log := new(syncBuffer)
	before := slog.Default()
	slog.SetDefault(logs.New(log, "json", "info"))
	t.Cleanup(func() { slog.SetDefault(before) })

	s := startGateway(t, nil)
	s.upload(t, form{file{"kompromat.mp4", video}})
	s.upload(t, form{file{"kompromat.mp4", []byte("kompromat")}})
	s.upload(t, form{file{"kompromat.mp4", nil}})
	s.upload(t, form{file{"kompromat.mp4", video}, file{"kompromat.mp4", video}})
	s.upload(t, form{field{"kompromat", strings.Repeat("kompromat", 1000)}})
	for _, body := range []string{
		"--x\r\nContent-Disposition: form-data; filename=\"kom\r\nkompromat.mp4\"\r\n\r\nabc\r\n--x--\r\n",
		"--x\r\nContent-Disposition: form-data; filename=\"kompromat.mp4\"\r\n\r\n" + string(video),
		"--kompromat\r\n",
	} {
		s.do(t, "POST", "/upload", strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=x")
	}
	s.do(t, "POST", "/upload?name=kompromat.mp4", bytes.NewReader(video))
	s.do(t, "POST", "/upload?name=kompromat.mp4", strings.NewReader("kompromat"), "Content-Type", "text/kompromat")
	s.do(t, "POST", "/kompromat.mp4", bytes.NewReader(video))
	j := s.mustConvert(t, "kompromat.mp4", []byte("mp3"))
	s.do(t, "GET", "/download?fid="+j.ID, nil)
	s.do(t, "GET", "/download?fid="+j.ID+"&kompromat", nil, "Range", "bytes=99-")
	s.do(t, "GET", "/jobs?before=kompromat", nil)
	s.do(t, "POST", "/login", nil, "Authorization", "Basic a29tcHJvbWF0")
	garbled := s.token[:len(s.token)-3] + "xyz"
	s.do(t, "GET", "/jobs", nil, "Authorization", "Bearer "+garbled)
	s.do(t, "GET", "/jobs", nil, "Authorization", "Bearer kompromat")
	s.do(t, "GET", "/jobs?token="+s.token, nil, "Authorization", "Basic a29tcHJvbWF0")
	s.queue.fail = errBroken
	s.upload(t, form{file{"kompromat.mp4", video}})
	s.do(t, "DELETE", "/jobs/"+j.ID, nil)

	const requests = 20
	waitUntil(t, "every request is in the log", func() bool {
		return strings.Count(log.String(), `"msg":"request"`) >= requests
	})
	for _, secret := range append(strings.Split(s.token, "."), "kompromat", "a29tcHJvbWF0", "anna@example.com") {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, log)
		}
	}
	for line := range strings.Lines(log.String()) {
		var l struct{ Msg, Request string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Request == "" && l.Msg != "serving" {
			t.Errorf("no request id in %s", line)
		}
	}
}
