package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/client"
	"mp3converter/test/prometheustest"
	"mp3converter/test/samples"
)

func TestService(t *testing.T) {
	h := start(t)
	t.Run("a session", h.testSession)
	t.Run("jobs of other users", h.testOtherUser)
	t.Run("metrics", h.testMetrics)
	t.Run("videos that other programs store", h.testTools)
	t.Run("webhooks", h.testWebhooks)
	t.Run("rights", h.testRights)
	// Last, because the converter that it restarts stops when it ends.
	t.Run("a burst with crashes", h.testCrashes)
}

// testSession tests a session from registration to the download of the MP3. The webhook
// must be called and a mail sent once for each job.
func (h *harness) testSession(t *testing.T) {
	u := h.register(t, "one@example.com")
	j := u.upload(t, samples.Spec{Name: "song.mp4"})
	h.waitFor(t, "the job is done", janitorDelay, func() bool { return u.job(t, j.ID).State == "done" })
	status, mp3 := u.getAudio(t, j.ID, nil)
	if status != http.StatusOK || int64(len(mp3)) != u.job(t, j.ID).Audio.Bytes || !strings.HasPrefix(mp3, "ID3") {
		t.Errorf("download: status %d, %d bytes", status, len(mp3))
	}
	if status, part := u.getAudio(t, j.ID, http.Header{"Range": {"bytes=-10"}}); status != http.StatusPartialContent || !strings.HasSuffix(mp3, part) {
		t.Errorf("range: status %d, %d bytes", status, len(part))
	}
	silent := u.upload(t, samples.Spec{Name: "silent.mp4", Audio: "none"})
	h.waitFor(t, "the job is failed", janitorDelay, func() bool { return u.job(t, silent.ID).Error.Code == "no_audio" })
	for _, id := range []string{j.ID, silent.ID} {
		h.waitFor(t, "the webhook is called", janitorDelay, func() bool { return h.webhook.count(id) == 1 })
		h.waitFor(t, "the mail is sent", janitorDelay, func() bool { return len(h.mails.About(t, id)) == 1 })
	}
	link := regexp.MustCompile(`\S+/links/\S+`).FindString(h.mails.About(t, j.ID)[0].Text)
	resp, err := http.Get(link)
	if err != nil {
		t.Fatalf("the link in the mail: %v", err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != mp3 {
		t.Errorf("the link %s in the mail: %s, %d bytes, %v; want the MP3", link, resp.Status, len(body), err)
	}
	h.testLink(t, u, j.ID, mp3) // revokes all
}

// testLink tests that a link leads to the MP3 without a token, until it is revoked.
func (h *harness) testLink(t *testing.T, u *user, job, mp3 string) {
	t.Helper()
	send := func(c *client.Client, method, path string, header http.Header) (int, string) {
		res, err := c.Do(t.Context(), method, path, header, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	status, b := send(&u.Client, "POST", "/jobs/"+job+"/links", nil)
	var link struct{ URL string }
	if err := json.Unmarshal([]byte(b), &link); err != nil || status != http.StatusCreated {
		t.Fatalf("POST links: %d %s", status, b)
	}
	anyone, path := &client.Client{BaseURL: h.gatewayURL}, strings.TrimPrefix(link.URL, h.gatewayURL)
	if status, b := send(anyone, "GET", path, nil); status != http.StatusOK || b != mp3 {
		t.Errorf("link: %d, %d bytes", status, len(b))
	}
	if status, b := send(anyone, "GET", path, http.Header{"Range": {"bytes=-10"}}); status != http.StatusPartialContent || b != mp3[len(mp3)-10:] {
		t.Errorf("range of a link: %d, %d bytes", status, len(b))
	}
	if status, b := send(&u.Client, "DELETE", "/jobs/"+job+"/links", nil); status != http.StatusNoContent {
		t.Errorf("DELETE links: %d %s", status, b)
	}
	if status, b := send(anyone, "GET", path, nil); status != http.StatusGone {
		t.Errorf("a revoked link: %d %.200s", status, b)
	}
}

func (h *harness) testOtherUser(t *testing.T) {
	owner, other := h.register(t, "two@example.com"), h.register(t, "three@example.com")
	j := owner.upload(t, samples.Spec{Name: "private.mp4"})
	if _, err := other.Job(t.Context(), j.ID); client.StatusCode(err) != http.StatusNotFound {
		t.Errorf("GET /jobs/{id} by another user: %v, want status 404", err)
	}
}

// testMetrics tests that the janitor pushes the numbers of the job records, which outlive
// the process that has counted them.
func (h *harness) testMetrics(t *testing.T) {
	url := prometheustest.StartPushgateway(t)
	h.runJanitor(t, "wake", "PUSHGATEWAY_URL="+url)
	metrics := prometheustest.Get(t, url+"/metrics")
	for _, line := range []string{
		`mp3converter_jobs_finished_last_hour{instance="",job="janitor",outcome="no_audio",task="wake"} 1`,
		`mp3converter_jobs_finished_last_hour{instance="",job="janitor",outcome="attempts_exhausted",task="wake"} 0`,
		`mp3converter_jobs_paused{instance="",job="janitor",task="wake"} 0`,
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("not among the metrics: %s", line)
		}
	}
	if !strings.Contains(metrics, "mp3converter_janitor_last_success_timestamp_seconds{") {
		t.Error("the run has no time of success")
	}
}

// testCrashes kills the converter twice and RabbitMQ once while jobs are queued and
// running.
// Every job must be done in the end, and the webhook called for it.
func (h *harness) testCrashes(t *testing.T) {
	u := h.register(t, "four@example.com")
	video := samples.Spec{Name: "short.mp4", Seconds: 20}
	var ids []string
	for range 12 {
		ids = append(ids, u.upload(t, video).ID)
	}
	countDone := func() (n int) {
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
	for _, n := range []int{1, 4} {
		h.waitFor(t, "jobs are done", janitorDelay, func() bool { return countDone() >= n })
		h.converter.kill()
		h.startProcess(t, h.converter, "converter")
	}
	h.broker.Kill(t)
	ids = append(ids, u.upload(t, video).ID) // accepted without RabbitMQ
	h.broker.Restart(t)
	h.waitFor(t, "all jobs are done", 0, func() bool { return countDone() == len(ids) })
	for _, id := range ids {
		h.waitFor(t, "the webhook is called", 0, func() bool { return h.webhook.count(id) > 0 })
	}
}

// janitorDelay is how long a condition may take without the janitor, which is not needed
// while nothing fails. It runs afterwards, because on a busy machine a lease of 5 s may
// expire.
const janitorDelay = 30 * time.Second

// waitFor waits for a condition. After delay it runs the janitor every 2 seconds,
// as the CronJob does every minute.
func (h *harness) waitFor(t *testing.T, what string, delay time.Duration, condition func() bool) {
	t.Helper()
	next := time.Now().Add(delay)
	for deadline := time.Now().Add(4 * time.Minute); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
		if time.Now().After(next) {
			h.runJanitor(t, "wake")
			next = time.Now().Add(2 * time.Second)
		}
	}
}
