package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"mp3converter/test/samples"
)

func TestWired(t *testing.T) {
	s := start(t)
	t.Run("a session", s.session)
	t.Run("nobody else sees it", s.stranger)
	t.Run("a burst with everything going wrong", s.burst)
}

// session: from an account to the MP3, and the operator is told once.
func (s *services) session(t *testing.T) {
	u := s.register(t, "one@example.com")
	j := u.upload(t, video(t, samples.Spec{Name: "song.mp4"}))
	s.eventually(t, "job done", calm, func() bool { return u.job(t, j.ID).State == "done" })
	r, err := http.NewRequest("GET", u.url+"/jobs/"+j.ID+"/audio", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, mp3 := u.send(t, r)
	if status != http.StatusOK || int64(len(mp3)) != u.job(t, j.ID).Audio.Bytes || !strings.HasPrefix(mp3, "ID3") {
		t.Errorf("download: %d, %d bytes", status, len(mp3))
	}
	r.Header.Set("Range", "bytes=-10")
	if status, part := u.send(t, r); status != http.StatusPartialContent || !strings.HasSuffix(mp3, part) {
		t.Errorf("range: %d, %d bytes", status, len(part))
	}
	bad := u.upload(t, video(t, samples.Spec{Name: "silent.mp4", Audio: "none"}))
	s.eventually(t, "job failed", calm, func() bool { return u.job(t, bad.ID).Error.Code == "no_audio" })
	for _, id := range []string{j.ID, bad.ID} {
		s.eventually(t, "operator told", calm, func() bool { return s.told.count(id) == 1 })
	}
}

func (s *services) stranger(t *testing.T) {
	owner, stranger := s.register(t, "two@example.com"), s.register(t, "three@example.com")
	j := owner.upload(t, video(t, samples.Spec{Name: "private.mp4"}))
	r, err := http.NewRequest("GET", s.gateway+"/jobs/"+j.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := stranger.send(t, r); status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
}

// burst: the converter is shot twice and the broker once while jobs wait and
// run; every one of them ends well, with one MP3, and the operator is told.
func (s *services) burst(t *testing.T) {
	u := s.register(t, "four@example.com")
	path := video(t, samples.Spec{Name: "short.mp4", Seconds: 20})
	var ids []string
	for range 12 {
		ids = append(ids, u.upload(t, path).ID)
	}
	done := func() (n int) {
		for _, id := range ids {
			j := u.job(t, id)
			if j.Error.Code != "" {
				t.Fatalf("job %s failed: %s", id, j.Error.Code)
			}
			if j.State == "done" {
				n++
			}
		}
		return n
	}
	for _, at := range []int{1, 4} {
		s.eventually(t, "jobs done", calm, func() bool { return done() >= at })
		s.convert.kill()
		s.launch(t, s.convert, "converter")
	}
	s.broker.Kill(t)
	accepted := u.upload(t, path) // without a broker
	ids = append(ids, accepted.ID)
	s.broker.Restart(t)
	s.eventually(t, "all jobs done", 0, func() bool { return done() == len(ids) })
	for _, id := range ids {
		s.eventually(t, "operator told", 0, func() bool { return s.told.count(id) > 0 })
	}
}

// calm is how long the functions get along without the janitor while nothing
// goes wrong. On a machine so busy that a lease of five seconds runs out, they
// do not.
const calm = 30 * time.Second

// eventually waits for what the functions are to bring about. The janitor comes
// by after a while, as the CronJob does.
func (s *services) eventually(t *testing.T, what string, alone time.Duration, ok func() bool) {
	t.Helper()
	visit := time.Now().Add(alone)
	eventually(t, what, 4*time.Minute, func() bool {
		if ok() {
			return true
		}
		if time.Now().After(visit) {
			s.janitor(t)
			visit = time.Now().Add(2 * time.Second)
		}
		return false
	})
}
