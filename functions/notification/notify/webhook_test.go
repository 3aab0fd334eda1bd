package notify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
	jobsmongo "mp3converter/shared/jobs/mongodb"
	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/webhooks"
	webhooksmongo "mp3converter/shared/webhooks/mongodb"
	webhookssqlite "mp3converter/shared/webhooks/sqlite"
	"mp3converter/test/mongotest"
)

// One job is reported to its notify_url, to its owner's webhook and to the operator's, in
// the same format.
func TestWebhooks(t *testing.T) {
	h, s := startHook(t), newStore(t)
	cfg := h.config(t)
	operatorSecrets := []string{webhooks.NewSecret(), webhooks.NewSecret()}
	cfg.Webhook = WebhookConfig{URL: h.URL + "/operator", Secret: strings.Join(operatorSecrets, " "), Key: "k"}
	n := hookNotifier(t, s, h, cfg)
	secret := n.configure(t, h.URL+"/user")
	rotated := n.configure(t, h.URL+"/user")
	j := finished(t, s, nil)
	withNotifyURL(t, s, j, h.URL+"/job")
	if err := n.Notify(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for target, c := range map[string]struct {
		contentType string
		secrets     []string
	}{
		jobs.TargetJob:      {"application/json", []string{secret, rotated}},
		jobs.TargetUser:     {"application/json", []string{secret, rotated}},
		jobs.TargetOperator: {"application/cloudevents+json", operatorSecrets},
	} {
		messages := h.to("/" + target)
		if len(messages) != 1 {
			t.Fatalf("%s: %d messages", target, len(messages))
		}
		m := messages[0]
		for _, secret := range c.secrets {
			m.verify(t, secret)
		}
		if got := m.header.Get("Content-Type"); got != c.contentType {
			t.Errorf("%s: Content-Type %q", target, got)
		}
		d := delivery(t, s, j.ID, target)
		checkMessage(t, m, j, d.ID)
		ids[d.ID] = true
		if d.State != jobs.DeliveryDelivered || d.Tries != 1 || len(d.Log) != 1 || d.Log[0].Status != 204 || d.Log[0].Error != "" {
			t.Errorf("%s: %+v", target, d)
		}
		if want := map[bool]string{true: h.URL + "/" + target}[target != jobs.TargetOperator]; d.URL != want {
			t.Errorf("%s: URL %q is recorded, want %q", target, d.URL, want)
		}
	}
	if len(ids) != 3 {
		t.Errorf("messages share an id: %v", ids)
	}
	mac := hmac.New(sha256.New, []byte("k"))
	operator := h.to("/operator")[0]
	mac.Write(operator.body)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); operator.header.Get(SignatureHeader) != want {
		t.Errorf("signature of WEBHOOK_KEY %q, want %q", operator.header.Get(SignatureHeader), want)
	}
	if got := h.to("/user")[0].header.Get(SignatureHeader); got != "" {
		t.Errorf("a user's message is signed with WEBHOOK_KEY: %q", got)
	}
	if got := outcomeOf(t, s, j.ID); got != jobs.NotificationSent {
		t.Errorf("outcome %q", got)
	}
}

// checkMessage checks the body of a message about a done job, as a CloudEvent and as a
// payload of Standard Webhooks.
func checkMessage(t *testing.T, m hookMessage, j jobs.Job, id string) {
	t.Helper()
	var e cloudevents.Event
	if err := json.Unmarshal(m.body, &e); err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(); err != nil || e.ID() != id || e.Subject() != j.ID || m.header.Get("webhook-id") != id {
		t.Errorf("event %v, %v, webhook-id %q; want id %s", e, err, m.header.Get("webhook-id"), id)
	}
	var payload struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      messageData
	}
	if err := json.Unmarshal(m.body, &payload); err != nil {
		t.Fatal(err)
	}
	if payload.Type != "com.mp3converter.job.finished" || !payload.Timestamp.Equal(j.FinishedAt) {
		t.Errorf("type %q, timestamp %v", payload.Type, payload.Timestamp)
	}
	d := payload.Data
	if d.Job != j.ID || d.State != jobs.Done || d.Owner != "u1" || d.Name != j.Name || d.Error != nil || !d.Finished.Equal(j.FinishedAt) ||
		d.Audio == nil || d.Audio.ID != j.Audio.ID || d.Audio.Bytes != j.Audio.Size || d.Audio.Name != j.AudioName() {
		t.Errorf("data %+v", d)
	}
	if want := "https://mp3.example.com/links/" + j.ID; !strings.HasPrefix(d.Audio.URL, want) {
		t.Errorf("audio URL %q, want %s…", d.Audio.URL, want)
	}
}

func TestWebhookOfAFailedJob(t *testing.T) {
	h, s := startHook(t), newStore(t)
	n := hookNotifier(t, s, h, h.config(t))
	n.configure(t, h.URL)
	j := finished(t, s, conversion.Corrupt)
	if err := n.Notify(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	var payload struct{ Data messageData }
	if err := json.Unmarshal(h.all()[0].body, &payload); err != nil {
		t.Fatal(err)
	}
	if d := payload.Data; d.State != jobs.Failed || d.Error == nil || d.Error.Code != "corrupt" || d.Audio != nil {
		t.Errorf("data %+v", d)
	}
}

// All attempts at a delivery send the same message.
func TestWebhookIsRetried(t *testing.T) {
	h, s := startHook(t), newStore(t)
	n := hookNotifier(t, s, h, h.config(t))
	n.configure(t, h.URL)
	j := finished(t, s, nil)
	statuses := []int{500, 400, 404, 302, 429, 200}
	for i, status := range statuses {
		h.status.Store(int64(status))
		err := n.Notify(t.Context(), j.ID)
		if (err == nil) != (status == 200) {
			t.Errorf("status %d: %v", status, err)
		}
		if err := n.Notify(t.Context(), j.ID); err != nil || len(h.all()) != i+1 {
			t.Fatalf("status %d, delivered again at once: %v, %d messages, want %d", status, err, len(h.all()), i+1)
		}
		endDelay(t, s, j.ID)
	}
	first := h.all()[0]
	for _, m := range h.all() {
		if !bytes.Equal(m.body, first.body) || m.header.Get("webhook-id") != first.header.Get("webhook-id") {
			t.Errorf("another message: %s", m.body)
		}
	}
	d := delivery(t, s, j.ID, jobs.TargetUser)
	for i, a := range d.Log {
		if a.Status != statuses[i] || (a.Error == "") != (a.Status == 200) || a.At.IsZero() {
			t.Errorf("attempt %d: %+v", i, a)
		}
	}
	if d.State != jobs.DeliveryDelivered || len(d.Log) != len(statuses) {
		t.Errorf("delivery %+v", d)
	}
}

// A dead receiver is tried for a day; then the webhook is switched off until its owner
// sets it again. Mail and the notify_url of jobs are not affected.
func TestDeadWebhookIsSwitchedOff(t *testing.T) {
	h := startHook(t)
	s := &fakeClock{Store: newStore(t), now: finishedAt}
	n := hookNotifier(t, s, h, h.config(t))
	mail := &fakeChannel{name: "mail"}
	n.channels = []Channel{mail}
	n.configure(t, h.URL+"/user")
	h.status.Store(503)
	j := finished(t, s, nil)
	n.policy.Retention = 7 * 24 * time.Hour
	if _, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error { j.ExpiresAt = j.FinishedAt.Add(n.policy.Retention); return nil }); err != nil {
		t.Fatal(err)
	}
	for outcomeOf(t, s, j.ID) == "" {
		if !n.userSettings(t).Active() {
			t.Fatal("switched off too early")
		}
		n.Notify(t.Context(), j.ID)
		due, err := s.Get(t.Context(), j.ID)
		if err != nil || len(h.all()) > 100 {
			t.Fatalf("%v, %d attempts", err, len(h.all()))
		}
		if due.Notification.EndedAt.IsZero() {
			s.set(due.DueAt)
		}
	}
	took := s.Now().Sub(finishedAt)
	d := delivery(t, s, j.ID, jobs.TargetUser)
	if d.State != jobs.DeliveryFailed || took < 24*time.Hour || took > 26*time.Hour || d.Tries != len(h.all()) || d.Tries > 40 {
		t.Errorf("after %v and %d requests: %+v", took, len(h.all()), d)
	}
	settings := n.userSettings(t)
	if settings.Active() || !strings.Contains(settings.DisabledReason, "status 503") || !settings.DisabledAt.Equal(jobs.Truncate(s.Now())) {
		t.Errorf("settings %+v", settings)
	}
	if mail.sent != 1 {
		t.Errorf("%d mails, want one", mail.sent)
	}

	h.status.Store(200)
	before := len(h.all())
	next := finished(t, s, nil)
	withNotifyURL(t, s, next, h.URL+"/job")
	if err := n.Notify(t.Context(), next.ID); err != nil || len(h.to("/job")) != 1 || len(h.all()) != before+1 {
		t.Errorf("switched off: %v, %d messages to the job's URL, %d in all", err, len(h.to("/job")), len(h.all())-before)
	}
	n.change(t, func(s *webhooks.Settings) { s.SetURL(h.URL + "/again") })
	next = finished(t, s, nil)
	if err := n.Notify(t.Context(), next.ID); err != nil || len(h.to("/again")) != 1 {
		t.Errorf("switched on again: %v, %d messages", err, len(h.to("/again")))
	}
}

func TestGoneSwitchesOffAtOnce(t *testing.T) {
	h, s := startHook(t), newStore(t)
	n := hookNotifier(t, s, h, h.config(t))
	n.configure(t, h.URL)
	h.status.Store(http.StatusGone)
	j := finished(t, s, nil)
	if err := n.Notify(t.Context(), j.ID); err != nil {
		t.Errorf("410 is retried: %v", err)
	}
	if d := delivery(t, s, j.ID, jobs.TargetUser); d.State != jobs.DeliveryRejected {
		t.Errorf("delivery %+v", d)
	}
	if settings := n.userSettings(t); settings.Active() || !strings.Contains(settings.DisabledReason, "410") {
		t.Errorf("settings %+v", settings)
	}
}

// A receiver may delete the job before it answers. The message was delivered nevertheless.
func TestReceiverDeletesTheJob(t *testing.T) {
	h, s := startHook(t), newStore(t)
	n := hookNotifier(t, s, h, h.config(t))
	n.configure(t, h.URL)
	for _, status := range []int{204, 500, 204} {
		j := finished(t, s, nil)
		h.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := s.Delete(r.Context(), j.ID); err != nil {
				t.Error(err)
			}
			w.WriteHeader(status)
		})
		if err := n.Notify(t.Context(), j.ID); err != nil {
			t.Errorf("status %d: %v, want the event acknowledged", status, err)
		}
		if failing := !n.userSettings(t).FailingSince.IsZero(); failing != (status == 500) {
			t.Errorf("after status %d: failing: %v", status, failing)
		}
	}
}

// A success between failures is recorded, so that only a webhook that always fails is
// switched off.
func TestFailingSince(t *testing.T) {
	h, s := startHook(t), newStore(t)
	n := hookNotifier(t, s, h, h.config(t))
	n.configure(t, h.URL)
	for _, status := range []int{500, 200, 500} {
		h.status.Store(int64(status))
		n.Notify(t.Context(), finished(t, s, nil).ID)
		if failing := !n.userSettings(t).FailingSince.IsZero(); failing != (status == 500) {
			t.Errorf("after status %d: failing %v", status, failing)
		}
	}
	revision := n.userSettings(t).Revision
	n.Notify(t.Context(), finished(t, s, nil).ID)
	if got := n.userSettings(t).Revision; got != revision {
		t.Errorf("another failure was written: revision %d after %d", got, revision)
	}
}

// What has no receiver or cannot be signed ends at once.
func TestWebhookWithoutReceiver(t *testing.T) {
	h := startHook(t)
	for name, c := range map[string]struct {
		target string
		change func(*webhooks.Settings)
		reason string
	}{
		"no secret": {jobs.TargetJob, func(s *webhooks.Settings) { *s = webhooks.Settings{} }, "no secret"},
		"removed":   {jobs.TargetUser, func(s *webhooks.Settings) { s.URL = "" }, "removed"},
		"off":       {jobs.TargetUser, func(s *webhooks.Settings) { s.DisabledAt = finishedAt }, "switched off"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			n := hookNotifier(t, s, h, h.config(t))
			n.configure(t, h.URL)
			h.status.Store(500)
			j := finished(t, s, nil)
			withNotifyURL(t, s, j, h.URL)
			n.Notify(t.Context(), j.ID)
			endDelay(t, s, j.ID)
			before := len(h.all())
			n.change(t, c.change)
			n.Notify(t.Context(), j.ID)
			d := delivery(t, s, j.ID, c.target)
			if d.State != jobs.DeliveryFailed || !strings.Contains(d.Log[len(d.Log)-1].Error, c.reason) {
				t.Errorf("%+v, want it to fail for %q", d, c.reason)
			}
			if c.target == jobs.TargetJob && len(h.all()) != before {
				t.Error("an unsigned message was sent")
			}
		})
	}
}

func TestResendSendsTheSameMessage(t *testing.T) {
	h, s := startHook(t), newStore(t)
	n := hookNotifier(t, s, h, h.config(t))
	mail := &fakeChannel{name: "mail"}
	n.channels = []Channel{mail}
	n.configure(t, h.URL+"/user")
	j := finished(t, s, nil)
	withNotifyURL(t, s, j, h.URL+"/job")
	if err := n.Notify(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	d := delivery(t, s, j.ID, jobs.TargetUser)
	if _, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error { return j.Resend(policy, d.ID, s.Now()) }); err != nil {
		t.Fatal(err)
	}
	if err := n.Notify(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	sent := h.to("/user")
	if len(sent) != 2 || !bytes.Equal(sent[0].body, sent[1].body) || len(h.to("/job")) != 1 || mail.sent != 1 {
		t.Errorf("%d messages to the webhook, %d to the notify_url, %d mails", len(sent), len(h.to("/job")), mail.sent)
	}
	if got := outcomeOf(t, s, j.ID); got != jobs.NotificationSent {
		t.Errorf("outcome %q", got)
	}
}

// Two pods get the wake-up of the same jobs at the same time, several times.
func TestTwoNotifiersSendOnce(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "mp3converter.db")
		testTwoNotifiers(t, func() (jobs.Store, webhooks.Store) {
			s, err := sqlite.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			settings, err := webhookssqlite.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { settings.Close() })
			return s, settings
		})
	})
	t.Run("MongoDB", func(t *testing.T) {
		uri, database := mongotest.URI(t), mongotest.Database(t)
		testTwoNotifiers(t, func() (jobs.Store, webhooks.Store) {
			db := mongotest.Client(t, uri).Database(database)
			s, err := jobsmongo.Open(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			return s, webhooksmongo.New(db)
		})
	})
}

func testTwoNotifiers(t *testing.T, open func() (jobs.Store, webhooks.Store)) {
	h := startHook(t)
	var pods []*Notifier
	var stores []jobs.Store
	for range 2 {
		s, settings := open()
		n, err := New(withDefaults(h.config(t)), s, settings)
		if err != nil {
			t.Fatal(err)
		}
		n.trust(h)
		n.deliverer.placeTimeout = time.Minute // the machine may be slow
		pods, stores = append(pods, n), append(stores, s)
	}
	pods[0].configure(t, h.URL)
	var wg sync.WaitGroup
	const jobCount = 10
	for range jobCount {
		j := finished(t, stores[0], nil)
		for i := range 6 {
			wg.Go(func() {
				if err := pods[i%2].Notify(t.Context(), j.ID); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, m := range h.all() {
		ids[m.header.Get("webhook-id")] = true
	}
	if len(h.all()) != jobCount || len(ids) != jobCount {
		t.Errorf("%d messages with %d ids, want %d", len(h.all()), len(ids), jobCount)
	}
}

// A user whose receiver is slow does not keep the messages of others waiting.
func TestSlowReceiverDoesNotTakeAllPlaces(t *testing.T) {
	h, s := startHook(t), newStore(t)
	n := hookNotifier(t, s, h, h.config(t))
	n.configure(t, h.URL)
	var releases []func()
	for range maxUserAttempts {
		release, ok := n.deliverer.places.take(t.Context(), "u1", placeTimeout)
		if !ok {
			t.Fatal("no place")
		}
		releases = append(releases, release)
	}
	release, ok := n.deliverer.places.take(t.Context(), "u2", placeTimeout)
	if !ok {
		t.Fatal("another user has to wait")
	}
	release()
	j := finished(t, s, nil)
	if err := n.Notify(t.Context(), j.ID); err == nil || len(h.all()) != 0 {
		t.Errorf("without a place: %v, %d messages", err, len(h.all()))
	}
	if d := delivery(t, s, j.ID, jobs.TargetUser); d.State != jobs.DeliveryPending || d.Tries != 0 {
		t.Errorf("delivery %+v", d)
	}
	for _, release := range releases {
		release()
	}
	endDelay(t, s, j.ID)
	if err := n.Notify(t.Context(), j.ID); err != nil || len(h.all()) != 1 {
		t.Errorf("with a place: %v, %d messages", err, len(h.all()))
	}
	if len(n.deliverer.places.byUser) != 0 {
		t.Errorf("places are kept: %v", n.deliverer.places.byUser)
	}
}

// A record of an earlier version lists the operator's webhook among the channels.
func TestOperatorWebhookOfAnEarlierVersion(t *testing.T) {
	h, s := startHook(t), newStore(t)
	cfg := h.config(t)
	cfg.Webhook.URL = h.URL
	n := hookNotifier(t, s, h, cfg)
	j := finished(t, s, nil)
	if _, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error {
		j.Notification.Notified = []string{"webhook"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := n.Notify(t.Context(), j.ID); err != nil || len(h.all()) != 0 {
		t.Errorf("%v, called again %d times", err, len(h.all()))
	}
}

// A channel that fails is given up after the period, while others go on alone.
func TestGiveUp(t *testing.T) {
	s := &fakeClock{Store: newStore(t), now: finishedAt}
	n := newNotifier(t, s, Config{Policy: policy}, &fakeChannel{name: "dead", fails: 1000})
	j := finished(t, s, nil)
	if _, err := s.Update(t.Context(), j.ID, func(j *jobs.Job) error { j.ExpiresAt = j.FinishedAt.Add(100 * time.Hour); return nil }); err != nil {
		t.Fatal(err)
	}
	attempts := 0
	for ; outcomeOf(t, s, j.ID) == "" && attempts < 100; attempts++ {
		for range 3 { // RabbitmqSource redelivers at once
			n.Notify(t.Context(), j.ID)
		}
		due, err := s.Get(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if due.Notification.EndedAt.IsZero() {
			s.set(due.DueAt)
		}
	}
	took := s.Now().Sub(finishedAt)
	if got := outcomeOf(t, s, j.ID); got != "gave_up" || took < 24*time.Hour || took > 26*time.Hour || attempts > 40 {
		t.Errorf("outcome %q after %v and %d attempts", got, took, attempts)
	}
	if got, _ := s.Get(t.Context(), j.ID); !slices.Contains(got.Notification.Notified, "dead") {
		t.Error("the channel would be used again after Resend")
	}
}

// BenchmarkWebhooks measures one notifier: it reads, leases and updates the record, signs
// and sends the message over TLS.
func BenchmarkWebhooks(b *testing.B) {
	h, s := startHook(b), newStore(b)
	n := hookNotifier(b, s, h, h.config(b))
	n.deliverer.placeTimeout = time.Minute
	n.configure(b, h.URL)
	var all []string
	for range b.N {
		all = append(all, finished(b, s, nil).ID)
	}
	work := make(chan string)
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 8 { // containerConcurrency
		wg.Go(func() {
			for job := range work {
				if err := n.Notify(b.Context(), job); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for _, job := range all {
		work <- job
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "webhooks/s")
}
