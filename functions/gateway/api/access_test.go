package api

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/problem"
)

func TestTokens(t *testing.T) {
	s := startGateway(t, nil)
	now := time.Now()
	issue := func(fill byte, at time.Time) string {
		raw, _, err := testKeys(t, fill).Issue("anna", "", time.Hour, at)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	parts := strings.Split(issue('x', now), ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT","kid":"k1"}`))
	for name, c := range map[string]struct {
		header string
		want   problem.Kind
	}{
		"none":              {"", problem.NoToken},
		"no scheme":         {issue('x', now), problem.NoToken},
		"only a scheme":     {"Bearer", problem.NoToken},
		"empty token":       {"Bearer  ", problem.NoToken},
		"basic":             {"Basic YTpi", problem.NoToken},
		"garbled":           {"Bearer abc", problem.BadToken},
		"truncated":         {"Bearer " + parts[0] + "." + parts[1], problem.BadToken},
		"expired":           {"Bearer " + issue('x', now.Add(-2*time.Hour)), problem.ExpiredToken},
		"another key":       {"Bearer " + issue('y', now), problem.BadToken},
		"alg none":          {"Bearer " + none + "." + parts[1] + ".", problem.BadToken},
		"alg none, signed":  {"Bearer " + none + "." + parts[1] + "." + parts[2], problem.BadToken},
		"signature changed": {"Bearer " + parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), problem.BadToken},
	} {
		t.Run(name, func(t *testing.T) {
			for _, route := range []string{"POST /upload", "GET /jobs", "GET /jobs/" + id.New(), "DELETE /jobs/" + id.New(), "POST /jobs/" + id.New() + "/cancel", "POST /jobs/" + id.New() + "/retry", "GET /jobs/" + id.New() + "/audio", "GET /download?fid=" + id.New()} {
				method, path, _ := strings.Cut(route, " ")
				res, b := s.do(t, method, path, nil, "Authorization", c.header)
				checkProblem(t, res, b, c.want)
				if got := res.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") {
					t.Errorf("%s: WWW-Authenticate %q", route, got)
				}
			}
		})
	}
}

func TestSchemeIsCaseInsensitive(t *testing.T) {
	s := startGateway(t, nil)
	if res, b := s.do(t, "GET", "/jobs", nil, "Authorization", "bearer  "+s.token); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

// A response must not reveal whether a job of another user exists.
func TestJobOfAnotherUserLooksUnknown(t *testing.T) {
	s := startGateway(t, nil)
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	bert := "Bearer " + s.tokenOf(t, "bert")
	for _, route := range []string{"GET /jobs/%s", "GET /jobs/%s?wait=1", "DELETE /jobs/%s", "DELETE /jobs/%s?cancel=true", "POST /jobs/%s/cancel", "POST /jobs/%s/retry", "GET /jobs/%s/audio", "GET /download?fid=%s", "HEAD /download?fid=%s"} {
		method, path, _ := strings.Cut(route, " ")
		ask := func(job string) string {
			res, b := s.do(t, method, fmt.Sprintf(path, job), nil, "Authorization", bert)
			if res.StatusCode != 404 {
				t.Errorf("%s of %s: %d %s", route, job, res.StatusCode, b)
			}
			if method != "HEAD" {
				checkProblem(t, res, b, problem.JobNotFound)
			}
			res.Header.Del("Date")
			requestID := res.Header.Get(problem.RequestIDHeader)
			res.Header.Del(problem.RequestIDHeader)
			return fmt.Sprint(res.Header) + strings.ReplaceAll(string(b), requestID, "")
		}
		unknown := ask(id.New())
		for what, key := range map[string]string{"another's": j.ID, "another's MP3": j.Audio.ID, "bad": "x", "dots": "%2e%2e%2f" + j.ID} {
			if got := ask(key); got != unknown {
				t.Errorf("%s: response for an %s id\n%s\ndiffers from that for an unknown id\n%s", route, what, got, unknown)
			}
		}
	}
	if _, err := s.Jobs.Get(t.Context(), j.ID); err != nil {
		t.Errorf("the job was changed or deleted: %v", err)
	}
	if s.files(t, "mp3") == 0 {
		t.Error("the MP3 was deleted")
	}
}
