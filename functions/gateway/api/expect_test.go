package api

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mp3converter/functions/gateway/idempotency"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

// expect sends the header of a request that waits for "100 Continue", and returns the
// connection and what arrives on it.
func (s *testGateway) expect(t testing.TB, target string, header ...string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn := s.dialTo(t, "POST", target, append([]string{"Expect: 100-continue"}, header...)...)
	return conn, bufio.NewReader(conn)
}

// What is wrong with the header, the query, the quota or the key is said without asking
// for the body, also behind a proxy that passes the question on.
func TestRefusedBeforeBody(t *testing.T) {
	const length = "Content-Length: 100000"
	otherSum := sha256.Sum256(otherVideo)
	for name, c := range map[string]struct {
		target string
		header []string
		change func(*setup)
		before func(*testing.T, *testGateway)
		want   problem.Kind
	}{
		"bad token":         {"/upload", []string{length, "Authorization: Bearer x.y.z"}, nil, nil, problem.BadToken},
		"size":              {"/upload", []string{"Content-Length: 1048577"}, nil, nil, problem.TooLarge},
		"size of a form":    {"/upload", []string{"Content-Length: 9000000", "Content-Type: multipart/form-data; boundary=x"}, nil, nil, problem.TooLarge},
		"Content-Type":      {"/upload", []string{length, "Content-Type: text/html"}, nil, nil, problem.UnsupportedMediaType},
		"no boundary":       {"/upload", []string{length, "Content-Type: multipart/form-data"}, nil, nil, problem.BadRequest},
		"option":            {"/upload?bitrate=7", []string{length}, nil, nil, problem.BadOption},
		"options":           {"/upload?options=%7B", []string{length}, nil, nil, problem.BadOption},
		"unknown option":    {"/upload?colour=red", []string{length}, nil, nil, problem.BadOption},
		"option of a form":  {"/upload?bitrate=7", []string{length, "Content-Type: multipart/form-data; boundary=x"}, nil, nil, problem.BadOption},
		"tag":               {"/upload?tag=" + strings.Repeat("x", 201), []string{length}, nil, nil, problem.BadOption},
		"empty key":         {"/upload", []string{length, "Idempotency-Key: "}, nil, nil, problem.BadRequest},
		"long key":          {"/upload", []string{length, "Idempotency-Key: " + strings.Repeat("k", 256)}, nil, nil, problem.BadRequest},
		"quota of jobs":     {"/upload", []string{length}, func(g *setup) { g.Config.Quota.Jobs = 1 }, uploaded, problem.TooManyJobs},
		"quota of bytes":    {"/upload", []string{length}, func(g *setup) { g.Config.Quota.Bytes = 50000 }, nil, problem.QuotaExceeded},
		"quota with a key":  {"/upload", []string{length, "Idempotency-Key: n"}, func(g *setup) { g.Config.Quota.Bytes = 50000 }, nil, problem.QuotaExceeded},
		"space":             {"/upload", []string{length}, func(g *setup) { g.Videos = freeStore{g.Videos, 1000, nil} }, nil, problem.NoSpace},
		"too many requests": {"/upload", []string{length}, func(g *setup) { g.Config.MaxUserUploads, g.Config.TransferWait = 1, time.Millisecond }, uploading, problem.TooManyRequests},
		"key of another size": {"/upload", []string{length, "Idempotency-Key: k"}, nil, uploaded,
			problem.IdempotencyKeyReused},
		"key of other options": {"/upload?bitrate=64", []string{fmt.Sprintf("Content-Length: %d", len(video)), "Idempotency-Key: k"}, nil, uploaded,
			problem.IdempotencyKeyReused},
		"key of another digest": {"/upload", []string{fmt.Sprintf("Content-Length: %d", len(video)), "Idempotency-Key: k",
			"Content-Digest: sha-256=:" + base64.StdEncoding.EncodeToString(otherSum[:]) + ":"}, nil, uploaded, problem.IdempotencyKeyReused},
		"key of a small video": {"/upload", []string{"Content-Length: 100", "Content-Type: multipart/form-data; boundary=x", "Idempotency-Key: k"}, nil, uploaded,
			problem.IdempotencyKeyReused},
	} {
		for _, proxy := range []string{"", "X-Forwarded-For: 10.0.0.1"} {
			t.Run(strings.TrimSpace(name+" "+proxy), func(t *testing.T) {
				t.Parallel()
				s := startGateway(t, c.change)
				if c.before != nil {
					c.before(t, s)
				}
				header := append([]string{}, c.header...)
				if !strings.Contains(strings.Join(header, "\r\n"), "Authorization") {
					header = append(header, s.authorizationHeader())
				}
				if proxy != "" {
					header = append(header, proxy)
				}
				records := s.records(t)
				_, answer := s.expect(t, c.target, header...)
				checkFinalResponse(t, answer, c.want)
				if n := s.records(t); n != records {
					t.Errorf("%d records, %d before", n, records)
				}
			})
		}
	}
}

// uploaded uploads a video with the key k.
func uploaded(t *testing.T, s *testGateway) {
	res, b := s.send(t, "/upload", video, idempotency.Header, "k")
	accepted(t, res, b)
}

// uploading starts an upload that does not end.
func uploading(t *testing.T, s *testGateway) {
	c := s.dial(t, s.authorizationHeader(), "Content-Length: 1000000")
	c.Write(video)
	waitUntil(t, "the upload has begun", func() bool { return s.files(t, "videos") > 0 })
}

// checkFinalResponse checks that the first response is a problem, and that the connection
// is closed after it.
func checkFinalResponse(t *testing.T, answer *bufio.Reader, want problem.Kind) {
	t.Helper()
	line, err := answer.Peek(len("HTTP/1.1 400"))
	if err != nil || string(line) != fmt.Sprintf("HTTP/1.1 %d", want.Status) {
		t.Fatalf("%q, %v; want status %d", line, err, want.Status)
	}
	res, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkProblem(t, res, b, want)
	if rest, err := io.ReadAll(answer); len(rest) > 0 || err != nil {
		t.Errorf("after the response %q, %v", rest, err)
	}
}

// A request that is repeated with the digest of its body is answered without the body.
func TestReplayedWithoutBody(t *testing.T) {
	s := startGateway(t, nil)
	uploaded(t, s)
	sum := sha256.Sum256(video)
	_, answer := s.expect(t, "/upload", s.authorizationHeader(), fmt.Sprintf("Content-Length: %d", len(video)), "Idempotency-Key: k",
		"Content-Digest: sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	line, err := answer.Peek(len("HTTP/1.1 202"))
	if err != nil || string(line) != "HTTP/1.1 202" {
		t.Fatalf("%q, %v", line, err)
	}
	s.checkOneJob(t)
}

// A duplicate of an upload that is still running is not asked for its body.
func TestDuplicateWaitsWithoutBody(t *testing.T) {
	s := startGateway(t, nil)
	s.keyWait = 10 * time.Millisecond
	first := s.dial(t, s.authorizationHeader(), "Idempotency-Key: k", "Content-Length: 1000000")
	first.Write(video)
	waitUntil(t, "the upload has begun", func() bool { return s.files(t, "videos") > 0 })
	_, answer := s.expect(t, "/upload", s.authorizationHeader(), "Content-Length: 1000000", "Idempotency-Key: k")
	checkFinalResponse(t, answer, problem.IdempotencyKeyInUse)
}

// The client is asked for the body of an upload that is not refused.
func TestContinue(t *testing.T) {
	s := startGateway(t, nil)
	for _, key := range []string{"", "Idempotency-Key: k\r\n"} {
		conn, answer := s.expect(t, "/upload", key+s.authorizationHeader(), fmt.Sprintf("Content-Length: %d", len(video)))
		line, err := answer.ReadString('\n')
		if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
		conn.Write(video)
		answer.ReadString('\n')
		if res, err := http.ReadResponse(answer, nil); err != nil || res.StatusCode != http.StatusAccepted {
			t.Errorf("%v, %v", res, err)
		}
	}
}

// Fields of a form before the file are checked before any byte of the file arrives, and
// an error in one after it says how to be refused earlier.
func TestFieldsBeforeAndAfterFile(t *testing.T) {
	s := startGateway(t, nil)
	for _, bad := range []string{"bitrate", "tag"} {
		for _, key := range []string{"", "Idempotency-Key: k\r\n"} {
			conn, answer := s.expect(t, "/upload", key+s.authorizationHeader(), "Content-Length: 900000", "Content-Type: multipart/form-data; boundary=x")
			answer.ReadString('\n') // 100 Continue: the fields are in the body
			answer.ReadString('\n')
			fmt.Fprintf(conn, "--x\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n"+
				"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\n", bad, strings.Repeat("7", 300))
			res, err := http.ReadResponse(answer, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			checkProblem(t, res, b, problem.BadOption)
			if strings.Contains(string(b), "after the file") {
				t.Errorf("%s", b)
			}
		}
		res, b := s.upload(t, form{file{"a.mp4", video}, field{bad, strings.Repeat("7", 300)}})
		checkProblem(t, res, b, problem.BadOption)
		detail := decode[struct{ Detail string }](t, b).Detail
		for _, part := range []string{bad, "came after the file", "before the file or in the query"} {
			if !strings.Contains(detail, part) {
				t.Errorf("detail %q does not say %q", detail, part)
			}
		}
		s.checkNothingLeft(t)
	}
}

func TestTag(t *testing.T) {
	s := startGateway(t, nil)
	const tag = "Bestellung №5: größer"
	for name, c := range map[string]struct {
		target string
		body   any
		want   string
	}{
		"query":           {"/upload?tag=Bestellung+%E2%84%965:+gr%C3%B6%C3%9Fer", video, tag},
		"before the file": {"/upload", form{field{"tag", tag}, file{"a.mp4", video}}, tag},
		"after the file":  {"/upload", form{file{"a.mp4", video}, field{"tag", tag}}, tag},
		"none":            {"/upload", video, ""},
	} {
		res, b := s.send(t, c.target, c.body)
		j := accepted(t, res, b)
		if j.Tag != c.want || c.want == "" && strings.Contains(string(b), `"tag"`) {
			t.Errorf("%s: %s", name, b)
		}
		res, b = s.do(t, "GET", "/jobs/"+j.ID, nil)
		if got := decode[jobResponse](t, b); res.StatusCode != http.StatusOK || got.Tag != c.want || got.State != jobs.Queued {
			t.Errorf("%s: %d %s", name, res.StatusCode, b)
		}
	}
}
