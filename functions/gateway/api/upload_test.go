package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

func TestUpload(t *testing.T) {
	s := startGateway(t, nil)
	before := time.Now().Add(-time.Second)
	res, b := s.upload(t, form{field{"comment", "before the file"}, file{"holiday.mp4", video}, field{"title", "behind it"}})
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", res.StatusCode, b)
	}
	v := decode[jobResponse](t, b)
	if v.State != jobs.Queued || v.Name != "holiday.mp4" || v.Bytes != int64(len(video)) || v.Progress != 0 || v.CreatedAt.Before(before) {
		t.Errorf("response %+v", v)
	}
	if got := res.Header.Get("Location"); got != "/jobs/"+v.ID {
		t.Errorf("Location %q", got)
	}
	j, err := s.Jobs.Get(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	if j.Owner != "anna" || j.Email != "anna@example.com" {
		t.Errorf("job of %q, %q", j.Owner, j.Email)
	}
	o, f, err := s.Videos.Open(t.Context(), j.Video.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if kept, err := io.ReadAll(f); err != nil || !bytes.Equal(kept, video) || o.Job != j.ID {
		t.Errorf("%d bytes of job %s kept, %v", len(kept), o.Job, err)
	}
	if want := "video " + v.ID; len(s.queue.sent) != 1 || s.queue.sent[0] != want {
		t.Errorf("events %q, want %q", s.queue.sent, want)
	}
}

func TestUploadRawBody(t *testing.T) {
	s := startGateway(t, nil)
	for contentType, query := range map[string]string{
		"":                                  "?name=a%20b.mp4",
		"video/mp4":                         "?name=a%20b.mp4",
		"audio/mp4":                         "?name=/tmp/a+b.mp4",
		"application/octet-stream":          "?name=a%20b.mp4",
		"application/x-www-form-urlencoded": "?name=a%20b.mp4", // what curl sends with --data-binary
	} {
		res, b := s.do(t, "POST", "/upload"+query, bytes.NewReader(video), "Content-Type", contentType)
		if res.StatusCode != http.StatusAccepted {
			t.Errorf("%q: %d %s", contentType, res.StatusCode, b)
		} else if v := decode[jobResponse](t, b); v.Name != "a b.mp4" || v.Bytes != int64(len(video)) {
			t.Errorf("%q: %+v", contentType, v)
		}
	}
	_, b := s.do(t, "POST", "/upload", bytes.NewReader(video))
	if v := decode[jobResponse](t, b); v.Name != "video" {
		t.Errorf("without a name: %+v", v)
	}
}

// Unusual names must be stored safely and returned unchanged where possible.
func TestUploadKeepsTheName(t *testing.T) {
	s := startGateway(t, nil)
	for sent, want := range map[string]string{
		"a.mp4":                              "a.mp4",
		"../../etc/passwd":                   "passwd",
		`C:\\films\\a.mp4`:                   "a.mp4",
		"..":                                 "video",
		`say \"hi\".mp4`:                     `say "hi".mp4`, // older curl
		"say %22hi%22.mp4":                   `say "hi".mp4`, // browsers
		"two%0D%0Alines.mp4":                 "two lines.mp4",
		strings.Repeat("x", 300) + ".mp4":    strings.Repeat("x", 236) + ".mp4",
		"🎵 ümläut 日本.mp4":                    "🎵 ümläut 日本.mp4",
		"<img src=x onerror=alert(1)>.mp4":   "<img src=x onerror=alert(1)>.mp4",
		"gpm.\u202e3pm.mp4":                  "gpm.3pm.mp4",
		"semi;colon=\u00a0and\ttab, etc.mp4": "semi;colon= and tab, etc.mp4",
	} {
		t.Run(want, func(t *testing.T) {
			res, b := s.upload(t, form{file{sent, video}})
			if res.StatusCode != http.StatusAccepted {
				t.Fatalf("%d %s", res.StatusCode, b)
			}
			if v := decode[jobResponse](t, b); v.Name != want {
				t.Errorf("name %q, want %q", v.Name, want)
			}
		})
	}
}

func TestUploadRejects(t *testing.T) {
	playlist := []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
	many := make(form, 0, 70)
	for range 70 {
		many = append(many, field{"f", "v"})
	}
	over := append(bytes.Clone(video), make([]byte, 1<<20)...)
	const boundary = "multipart/form-data; boundary=x"
	for name, c := range map[string]struct {
		form        form // or
		body        []byte
		contentType string
		header      []string
		chunked     bool
		want        problem.Kind
	}{
		"empty file":            {form: form{file{"a.mp4", nil}}, want: problem.EmptyFile},
		"empty raw body":        {contentType: "video/mp4", want: problem.EmptyFile},
		"text named mp4":        {form: form{file{"a.mp4", []byte("Dear Sir or Madam,\n")}}, want: problem.UnsupportedMediaType},
		"playlist named mp4":    {form: form{file{"a.mp4", playlist}}, want: problem.UnsupportedMediaType},
		"picture named mp4":     {form: form{file{"a.mp4", []byte("\x89PNG\r\n\x1a\n")}}, want: problem.UnsupportedMediaType},
		"text as raw body":      {body: []byte("hello"), contentType: "video/mp4", want: problem.UnsupportedMediaType},
		"two files":             {form: form{file{"a.mp4", video}, file{"b.mp4", video}}, want: problem.TooManyFiles},
		"no part":               {form: form{}, want: problem.NoFile},
		"no file part":          {form: form{field{"file", "not a file"}}, want: problem.NoFile},
		"too many fields":       {form: append(many, file{"a.mp4", video}), want: problem.BadRequest},
		"too many fields after": {form: append(form{file{"a.mp4", video}}, many...), want: problem.BadRequest},
		"oversized field":       {form: form{field{"f", strings.Repeat("v", maxFieldSize+1)}, file{"a.mp4", video}}, want: problem.BadRequest},
		"oversized field after": {form: form{file{"a.mp4", video}, field{"f", strings.Repeat("v", maxFieldSize+1)}}, want: problem.BadRequest},
		"over the limit":        {form: form{file{"a.mp4", over}}, want: problem.TooLarge},
		"over, chunked":         {form: form{file{"a.mp4", over}}, chunked: true, want: problem.TooLarge},
		"over, raw":             {body: over, contentType: "video/mp4", want: problem.TooLarge},
		"over, raw and chunked": {body: over, contentType: "video/mp4", chunked: true, want: problem.TooLarge},
		"far over":              {body: make([]byte, 3<<20), contentType: "video/mp4", want: problem.TooLarge},
		"overlong preamble":     {body: append(bytes.Repeat([]byte("preamble\n"), 300<<10), "--x--"...), contentType: boundary, chunked: true, want: problem.TooLarge},
		"wrong type":            {body: []byte(`{}`), contentType: "application/json", want: problem.UnsupportedMediaType},
		"no boundary":           {body: video, contentType: "multipart/form-data", want: problem.BadRequest},
		"another boundary":      {body: []byte("--y\r\n\r\n--y--\r\n"), contentType: boundary, want: problem.NoFile},
		"malformed part":        {body: []byte("--x\r\nno colon\r\n\r\nabc\r\n--x--\r\n"), contentType: boundary, want: problem.BadRequest},
		"form without an end": {body: []byte("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\n" + string(video)),
			contentType: boundary, want: problem.BrokenUpload},
		"no token":      {form: form{file{"a.mp4", video}}, header: []string{"Authorization", ""}, want: problem.NoToken},
		"garbled token": {form: form{file{"a.mp4", video}}, header: []string{"Authorization", "Bearer x.y.z"}, want: problem.BadToken},
	} {
		t.Run(name, func(t *testing.T) {
			s := startGateway(t, nil)
			body, contentType := c.body, c.contentType
			if c.form != nil {
				body, contentType = c.form.encode(t)
			}
			var r io.Reader = bytes.NewReader(body)
			if c.chunked {
				r = struct{ io.Reader }{r} // hides the length
			}
			res, b := s.do(t, "POST", "/upload", r, append([]string{"Content-Type", contentType}, c.header...)...)
			checkProblem(t, res, b, c.want)
			s.checkNothingLeft(t)
		})
	}
}

func TestUploadOfExactlyTheLimit(t *testing.T) {
	s := startGateway(t, func(g *setup) { g.Config.MaxUpload = int64(len(video)) })
	res, b := s.upload(t, form{file{"a.mp4", video}})
	if res.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

func TestUploadNamesTheLimit(t *testing.T) {
	s := startGateway(t, nil)
	for name, size := range map[string]int{"by its length": 3 << 20, "by its bytes": 3 << 19} {
		_, b := s.do(t, "POST", "/upload", bytes.NewReader(make([]byte, size)), "Content-Type", "video/mp4")
		if got := decode[struct{ Detail string }](t, b).Detail; got != "The limit is 1048576 bytes." {
			t.Errorf("%s: detail %q", name, got)
		}
	}
}

// Only the media store may store the bytes.
func TestUploadUsesNoTemporaryFile(t *testing.T) {
	s := startGateway(t, func(g *setup) { g.Config.MaxUpload = 64 << 20 })
	t.Setenv("TMPDIR", filepath.Join(s.dir, "missing"))
	if f, err := os.CreateTemp("", "x"); err == nil {
		f.Close()
		t.Fatal("temporary files can still be created")
	}
	big := append(bytes.Clone(video), make([]byte, 48<<20)...)
	if res, b := s.upload(t, form{file{"a.mp4", big}}); res.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

func TestWrongMethod(t *testing.T) {
	s := startGateway(t, nil)
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/upload", "POST"},
		{"PUT", "/upload", "POST"},
		{"POST", "/jobs", "GET, HEAD"},
		{"PUT", "/jobs/x", "DELETE, GET, HEAD"},
		{"GET", "/jobs/x/cancel", "POST"},
		{"DELETE", "/jobs/x/retry", "POST"},
		{"POST", "/download", "GET, HEAD"},
		{"GET", "/login", "POST"},
	} {
		res, b := s.do(t, c.method, c.path, bytes.NewReader(video))
		checkProblem(t, res, b, problem.MethodNotAllowed)
		if got := res.Header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, got, c.allow)
		}
	}
	s.checkNothingLeft(t)
}

func TestUnknownRoute(t *testing.T) {
	s := startGateway(t, nil)
	for _, path := range []string{"/nothing", "/jobs/", "/page.html", "/upload/x"} {
		res, b := s.do(t, "GET", path, nil)
		checkProblem(t, res, b, problem.NotFound)
	}
}

func TestResponseHidesInternalFields(t *testing.T) {
	s := startGateway(t, nil)
	_, b := s.upload(t, form{file{"a.mp4", video}})
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		t.Fatal(err)
	}
	for _, internal := range []string{"owner", "email", "lease", "video", "notice", "dueAt", "revision"} {
		if _, ok := keys[internal]; ok {
			t.Errorf("the response contains %q", internal)
		}
	}
}
