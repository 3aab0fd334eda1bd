package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
)

func TestQuotaOfJobs(t *testing.T) {
	s := startGateway(t, func(g *setup) { g.Config.Quota.Jobs = 2 })
	first := s.mustUpload(t, "a.mp4")
	s.mustUpload(t, "b.mp4")
	res, b := s.upload(t, form{file{"c.mp4", video}})
	checkProblem(t, res, b, problem.TooManyJobs)
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if n := s.files(t, "videos"); n != 4 { // two objects
		t.Errorf("%d files, want those of two videos", n)
	}
	s.claim(t, first.ID)
	s.complete(t, first.ID, []byte("mp3"))
	s.mustUpload(t, "c.mp4")
}

// A video that is too large is refused before it is read if its size is announced,
// and else when it has been stored. The quotas of other users are not affected.
func TestQuotaOfBytes(t *testing.T) {
	size := int64(len(video))
	s := startGateway(t, func(g *setup) { g.Config.Quota.Bytes = 2*size + 10 })
	kept := s.mustUpload(t, "a.mp4")
	res, b := s.do(t, "POST", "/upload", bytes.NewReader(append(video, make([]byte, 100)...)), "Content-Type", "video/mp4")
	checkProblem(t, res, b, problem.QuotaExceeded)
	chunked := struct{ io.Reader }{bytes.NewReader(append(video, make([]byte, 100)...))}
	res, b = s.do(t, "POST", "/upload", chunked, "Content-Type", "video/mp4")
	checkProblem(t, res, b, problem.QuotaExceeded)
	if n := s.files(t, "videos"); n != 2 {
		t.Errorf("%d files, want those of one video", n)
	}
	res, b = s.do(t, "POST", "/upload", bytes.NewReader(video), "Content-Type", "video/mp4", "Authorization", "Bearer "+s.tokenOf(t, "ben"))
	if res.StatusCode != http.StatusAccepted {
		t.Errorf("another user's upload: %d %s", res.StatusCode, b)
	}
	res, b = s.do(t, "DELETE", "/jobs/"+kept.ID+"?cancel=true", nil)
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", res.StatusCode, b)
	}
	j := s.mustUpload(t, "b.mp4")
	if u, err := s.Jobs.Usage(t.Context(), j.Owner); err != nil || u != (jobs.Usage{Unfinished: 1, Bytes: size}) {
		t.Errorf("usage %+v, %v", u, err)
	}
}

// freeStore is a media store that reports its free space.
type freeStore struct {
	media.Store
	free int64
	err  error
}

func (f freeStore) Free(context.Context) (int64, error) { return f.free, f.err }

func TestFreeSpace(t *testing.T) {
	const minFree = 1000
	size := int64(len(video))
	for name, c := range map[string]struct {
		store freeStore
		want  *problem.Kind
	}{
		"enough":                {freeStore{free: minFree + size}, nil},
		"a byte too few":        {freeStore{free: minFree + size - 1}, &problem.NoSpace},
		"store cannot tell":     {freeStore{err: errors.ErrUnsupported}, nil},
		"store does not answer": {freeStore{err: errBroken}, &problem.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := startGateway(t, func(g *setup) {
				c.store.Store = g.Videos
				g.Config.MinFree, g.Videos = minFree, c.store
			})
			res, b := s.do(t, "POST", "/upload", bytes.NewReader(video), "Content-Type", "video/mp4")
			if c.want != nil {
				checkProblem(t, res, b, *c.want)
				s.checkNothingLeft(t)
			} else if res.StatusCode != http.StatusAccepted {
				t.Errorf("%d %s", res.StatusCode, b)
			}
		})
	}
}
