package api

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mp3converter/shared/jobs"
)

// FuzzUpload sends arbitrary bytes as a form. There must be no panic, an error must be
// a problem document, and nothing may remain unless there is a job.
func FuzzUpload(f *testing.F) {
	for _, seed := range []form{
		{file{"a.mp4", video[:40]}},
		{field{"f", "v"}, file{"a.mp4", video[:40]}, field{"g", "w"}},
		{file{"a.mp4", video[:40]}, file{"b.mp4", video[:40]}},
		{file{"", nil}},
		{},
	} {
		body, contentType := seed.encode(f)
		_, params, _ := mime.ParseMediaType(contentType)
		f.Add(bytes.ReplaceAll(body, []byte(params["boundary"]), []byte("x")))
	}
	f.Add([]byte("--x\r\nContent-Disposition: form-data; filename=\"\r\n\r\n"))
	f.Add([]byte("--x\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Disposition: form-data; name=f; filename*=UTF-8''%ff\r\n\r\n=00=zz\r\n--x--"))
	s := newTestGateway(f, func(g *setup) { g.Config.MaxUpload = 1000 })
	h := s.Handler()
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/upload", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+s.token)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusAccepted {
			v := decode[jobResponse](t, w.Body.Bytes())
			if v.Bytes < 1 || v.Bytes > 1000 || v.Name != CleanName(v.Name) {
				t.Errorf("accepted %+v", v)
			}
			j, err := s.Jobs.Get(t.Context(), v.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := jobs.Erase(t.Context(), s.Jobs, s.Videos, s.Audio, j); err != nil {
				t.Fatal(err)
			}
			s.queue.sent = nil
		} else if w.Code < 400 || w.Code >= 500 || !strings.Contains(w.Body.String(), `"code":`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		s.checkNothingLeft(t)
	})
}

// FuzzRange checks that a response to any Range header contains the bytes that it
// claims to contain.
func FuzzRange(f *testing.F) {
	for _, r := range []string{"bytes=0-0", "bytes=-1", "bytes=5-", "bytes=0-1,4-5", "bytes=99-", "bytes=9-1", "bytes=0-0,-1", "bytes= 1 - 2", "lines=1-2", "bytes=", "bytes=0-18446744073709551616"} {
		f.Add(r)
	}
	s := newTestGateway(f, nil)
	h := s.Handler()
	mp3 := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	r := httptest.NewRequest("POST", "/upload", bytes.NewReader(video))
	r.Header.Set("Authorization", "Bearer "+s.token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	job := decode[jobResponse](f, w.Body.Bytes()).ID
	s.claim(f, job)
	s.complete(f, job, mp3)

	f.Fuzz(func(t *testing.T, ranges string) {
		r := httptest.NewRequest("GET", "/jobs/"+job+"/audio", nil)
		r.Header.Set("Authorization", "Bearer "+s.token)
		r.Header["Range"] = []string{ranges}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		kind, params, _ := mime.ParseMediaType(w.Header().Get("Content-Type"))
		switch {
		case w.Code == http.StatusOK:
			if !bytes.Equal(w.Body.Bytes(), mp3) {
				t.Errorf("%q: not the whole file: %q", ranges, w.Body)
			}
		case w.Code == http.StatusRequestedRangeNotSatisfiable:
			if kind != "application/problem+json" {
				t.Errorf("%q: rejected with type %q", ranges, kind)
			}
		case w.Code == http.StatusPartialContent && kind == "audio/mpeg":
			checkContentRange(t, w.Header().Get("Content-Range"), w.Body.Bytes(), mp3)
		case w.Code == http.StatusPartialContent && kind == "multipart/byteranges":
			parts := multipart.NewReader(w.Body, params["boundary"])
			for {
				p, err := parts.NextPart()
				if err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%q: %v", ranges, err)
				}
				b, _ := io.ReadAll(p)
				checkContentRange(t, p.Header.Get("Content-Range"), b, mp3)
			}
		default:
			t.Errorf("%q: %d %q", ranges, w.Code, kind)
		}
	})
}

// checkContentRange checks that b is the part of whole that contentRange describes.
func checkContentRange(t *testing.T, contentRange string, b, whole []byte) {
	t.Helper()
	var first, last, size int
	if _, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &first, &last, &size); err != nil {
		t.Fatalf("Content-Range %q: %v", contentRange, err)
	}
	if size != len(whole) || first < 0 || last+1 < first || last >= size || !bytes.Equal(b, whole[first:last+1]) {
		t.Errorf("%q with %q", contentRange, b)
	}
}
