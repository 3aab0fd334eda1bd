package api

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
)

// overtakenStore is a media store in which another request always appends first.
type overtakenStore struct{ media.Store }

func (s overtakenStore) Append(ctx context.Context, o media.Object, offset int64, part io.Reader) (int64, error) {
	if _, err := s.Store.Append(ctx, o, offset, bytes.NewReader(film(1))); err != nil {
		return 0, err
	}
	return s.Store.Append(ctx, o, offset, part)
}

// The operations that can bring a part are refused alike. The requests have 1000 bytes
// and the idempotency key "k".
func TestEveryOperationWithAPart(t *testing.T) {
	for name, c := range map[string]struct {
		part   []byte
		header map[string]string // "" leaves one out
		before func(*testing.T, *testGateway)
		during func(*testing.T, *testGateway, *net.TCPConn) // when the part was sent
		want   problem.Kind
	}{
		"bad checksum":   {part: film(1000), header: map[string]string{"Upload-Checksum": "sha3 AAAA"}, want: problem.BadUpload},
		"wrong checksum": {part: film(1000), header: map[string]string{"Upload-Checksum": checksumOf(video)}, want: problem.ChecksumMismatch},
		"no version":     {part: film(1000), header: map[string]string{"Tus-Resumable": ""}, want: problem.UnsupportedTus},
		"no video":       {part: bytes.Repeat([]byte("text "), 200), want: problem.UnsupportedMediaType},
		"no space": {part: film(1000), want: problem.NoSpace, before: func(_ *testing.T, s *testGateway) {
			s.Videos = freeStore{Store: s.Videos, free: 999}
		}},
		"no place": {part: film(1000), want: problem.TooManyRequests, before: func(t *testing.T, s *testGateway) {
			if _, err := s.uploads.acquire(t.Context(), "anna"); err != nil {
				t.Fatal(err)
			}
		}},
		"overtaken": {part: film(1000), want: problem.OffsetConflict, before: func(t *testing.T, s *testGateway) {
			s.Videos = overtakenStore{s.Videos}
			s.replaceStores(t, s.Jobs, s.Webhooks)
		}},
		"half closed": {part: film(600), want: problem.BrokenUpload, during: func(_ *testing.T, _ *testGateway, c *net.TCPConn) { c.CloseWrite() }},
		"stalled": {part: film(600), want: problem.UploadStalled, before: func(_ *testing.T, s *testGateway) {
			s.config.IdleTimeout = 200 * time.Millisecond
		}},
		"interrupted": {part: film(600), want: problem.UploadLocked, during: func(t *testing.T, s *testGateway, _ *net.TCPConn) {
			waitUntil(t, "the upload is locked", func() bool {
				j, err := s.Jobs.ByKey(t.Context(), "anna", "k")
				return err == nil && j.Lease.Holder != ""
			})
			s.offset(t, s.create(t, 1000, "", "Idempotency-Key", "k"))
		}},
	} {
		for operation, header := range map[string]map[string]string{
			"PATCH":           {"Upload-Offset": "0"},
			"method override": {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"},
			"creation":        {"Upload-Length": "1000", "Idempotency-Key": "k"},
		} {
			t.Run(name+", "+operation, func(t *testing.T) {
				t.Parallel()
				s := startGateway(t, func(g *setup) { g.Config.MaxUserUploads, g.Config.TransferWait = 1, 50*time.Millisecond })
				method, path := "POST", "/uploads"
				if operation != "creation" {
					path = s.create(t, 1000, "", "Idempotency-Key", "k")
				}
				if operation == "PATCH" {
					method = "PATCH"
				}
				if c.before != nil {
					c.before(t, s)
				}
				fields := map[string]string{"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Content-Length": "1000"}
				maps.Copy(fields, header)
				maps.Copy(fields, c.header)
				lines := []string{s.authorizationHeader()}
				for name, value := range fields {
					lines = append(lines, name+": "+value)
				}
				conn := s.dialTo(t, method, path, lines...)
				conn.Write(c.part)
				if c.during != nil {
					c.during(t, s, conn)
				}
				res, b := readResponseTo(t, conn, method, path)
				checkProblem(t, res, b, c.want)
			})
		}
	}
}

// A deletion is refused while a request writes that has lost its lease. It has no part, so
// the header of a part's checksum is ignored.
func TestDeleteRefused(t *testing.T) {
	s := startGateway(t, nil)
	path := s.create(t, 1000, "")
	upload := strings.TrimPrefix(path, "/uploads/")
	s.update(t, upload, func(j *jobs.Job) error {
		j.Resumable.UnverifiedFrom = new(int64)
		return nil
	})
	part, sent := io.Pipe()
	var writing sync.WaitGroup
	writing.Go(func() { s.Videos.Append(t.Context(), media.Object{ID: upload, Job: upload, Size: 1000}, 0, part) })
	sent.Write(film(600))
	res, b := s.tus(t, "DELETE", path, nil, "Upload-Checksum", "sha3 AAAA")
	checkProblem(t, res, b, problem.UploadLocked)
	sent.Close()
	writing.Wait()
	res, b = s.tus(t, "DELETE", path, nil, "Tus-Resumable", "")
	checkProblem(t, res, b, problem.UnsupportedTus)
	res, b = s.tus(t, "DELETE", path, nil)
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Upload-Expires") != "" {
		t.Errorf("%d %s %v", res.StatusCode, b, res.Header)
	}
}
