package integration

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"mp3converter/test/samples"
)

// userHooks is the receiver of the webhooks of users. It rejects the first message to each
// path.
type userHooks struct {
	*httptest.Server
	mu       sync.Mutex
	failed   map[string]bool
	accepted map[string][]hookMessage // by path
}

type hookMessage struct {
	header http.Header
	body   []byte
}

func startUserHooks(t *testing.T) *userHooks {
	h := &userHooks{failed: map[string]bool{}, accepted: map[string][]hookMessage{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *userHooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || !h.failed[r.URL.Path] {
		h.failed[r.URL.Path] = true
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h.accepted[r.URL.Path] = append(h.accepted[r.URL.Path], hookMessage{r.Header.Clone(), body})
}

func (h *userHooks) messages(path string) []hookMessage {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.accepted[path]
}

// env permits the receiver's address.
func (h *userHooks) env() []string {
	_, port, _ := net.SplitHostPort(h.Listener.Addr().String())
	return []string{"WEBHOOK_ALLOW_HTTP=true", "WEBHOOK_ALLOWED_NETWORKS=127.0.0.1/32", "WEBHOOK_PORTS=" + port}
}

// testWebhooks sets a webhook, receives the messages about a job after a failed attempt at
// each, lets one be sent again, and deletes the webhook.
func (h *harness) testWebhooks(t *testing.T) {
	u := h.register(t, "seven@example.com")
	var old, current struct{ Secret string }
	u.call(t, http.MethodPut, "/webhook", `{"url":"`+h.userHooks.URL+`/user"}`, http.StatusCreated, &old)
	u.call(t, http.MethodPost, "/webhook/secret", "", http.StatusCreated, &current)
	u.call(t, http.MethodPut, "/webhook", `{"url":"`+h.userHooks.URL+`/user"}`, http.StatusOK, nil)

	path, err := samples.Spec{Name: "hooked.mp4"}.Path(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var job struct{ ID string }
	video, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	u.call(t, http.MethodPost, "/upload?notify_url="+h.userHooks.URL+"/job", string(video), http.StatusAccepted, &job)
	for _, path := range []string{"/user", "/job"} {
		h.waitFor(t, "the message to "+path+" arrives", janitorDelay, func() bool { return len(h.userHooks.messages(path)) == 1 })
		for _, secret := range []string{old.Secret, current.Secret} {
			verify(t, secret, h.userHooks.messages(path)[0])
		}
	}
	var list struct {
		Deliveries []struct {
			ID, Target, State string
			Attempts          int
		}
	}
	h.waitFor(t, "the deliveries are recorded", janitorDelay, func() bool {
		u.call(t, http.MethodGet, "/jobs/"+job.ID+"/deliveries", "", http.StatusOK, &list)
		return len(list.Deliveries) == 2 && list.Deliveries[0].State == "delivered" && list.Deliveries[1].State == "delivered"
	})
	for _, d := range list.Deliveries {
		if d.Attempts != 2 {
			t.Errorf("delivery %+v, want two attempts", d)
		}
		u.call(t, http.MethodPost, "/jobs/"+job.ID+"/deliveries/"+d.ID+"/resend", "", http.StatusAccepted, nil)
		h.waitFor(t, "the message is sent again", janitorDelay, func() bool { return len(h.userHooks.messages("/"+d.Target)) == 2 })
		sent := h.userHooks.messages("/" + d.Target)
		if string(sent[0].body) != string(sent[1].body) || sent[1].header.Get("webhook-id") != d.ID {
			t.Errorf("another message was sent: %s", sent[1].body)
		}
	}
	u.call(t, http.MethodDelete, "/webhook", "", http.StatusNoContent, nil)
}

func verify(t *testing.T, secret string, m hookMessage) {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Verify(m.body, m.header); err != nil {
		t.Error(err)
	}
}

// call sends a request, checks the status and decodes the response.
func (u *user) call(t *testing.T, method, path, body string, want int, v any) {
	t.Helper()
	resp, err := u.Do(t.Context(), method, path, nil, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: status %d, %v: %s", method, path, resp.StatusCode, err, text)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}
