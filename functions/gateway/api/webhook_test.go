package api

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
	"mp3converter/shared/webhooks"
)

const hookURL = "https://example.com/hook?token=1"

// putWebhook sets anna's webhook.
func (s *testGateway) putWebhook(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	return s.do(t, "PUT", "/webhook", strings.NewReader(`{"url":"`+url+`"}`), "Content-Type", "application/json")
}

func (s *testGateway) settings(t *testing.T) webhooks.Settings {
	t.Helper()
	settings, err := s.Webhooks.Get(t.Context(), "anna")
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// A secret is in the response to the request that creates it, and in no other.
func TestWebhookSession(t *testing.T) {
	s := startGateway(t, nil)
	var secret string
	for i, step := range []struct {
		method, path, body string
		status             int
		secrets            int  // that sign afterwards
		shown              bool // a new secret
	}{
		{"GET", "/webhook", "", 404, 0, false},
		{"PUT", "/webhook", `{"url":"` + hookURL + `"}`, 201, 1, true},
		{"GET", "/webhook", "", 200, 1, false},
		{"PUT", "/webhook", `{"url":"https://example.net/"}`, 200, 1, false},
		{"POST", "/webhook/secret", "", 201, 2, true},
		{"GET", "/webhook", "", 200, 2, false},
		{"DELETE", "/webhook", "", 204, 0, false},
		{"DELETE", "/webhook", "", 204, 0, false},
		{"GET", "/webhook", "", 404, 0, false},
		{"POST", "/webhook/secret", "", 201, 1, true},
	} {
		res, b := s.do(t, step.method, step.path, strings.NewReader(step.body), "Content-Type", "application/json")
		if res.StatusCode != step.status {
			t.Fatalf("step %d, %s %s: %d %s", i, step.method, step.path, res.StatusCode, b)
		}
		if step.status == 404 {
			checkProblem(t, res, b, problem.WebhookNotFound)
		}
		if step.status >= 204 {
			continue
		}
		v := decode[webhookResponse](t, b)
		if len(v.Secrets) != step.secrets || (v.Secret != "") != step.shown || v.Secret != "" && v.Secret == secret {
			t.Errorf("step %d: %+v", i, v)
		}
		if stored := s.settings(t).Secrets[0].Value; step.shown && v.Secret != stored || !step.shown && strings.Contains(string(b), stored) {
			t.Errorf("step %d: the response is %s", i, b)
		}
		if v.Secret != "" {
			secret = v.Secret
		}
	}
}

func TestWebhookIsTheUsersOwn(t *testing.T) {
	s := startGateway(t, nil)
	s.putWebhook(t, hookURL)
	res, b := s.do(t, "GET", "/webhook", nil, "Authorization", "Bearer "+s.tokenOf(t, "bob"))
	checkProblem(t, res, b, problem.WebhookNotFound)
	for _, path := range []string{"GET /webhook", "PUT /webhook", "DELETE /webhook", "POST /webhook/secret"} {
		method, path, _ := strings.Cut(path, " ")
		res, b := s.do(t, method, path, nil, "Authorization", "")
		checkProblem(t, res, b, problem.NoToken)
	}
}

func TestPutWebhookRejects(t *testing.T) {
	s := startGateway(t, nil)
	for body, want := range map[string]problem.Kind{
		`{"url":"http://example.com/"}`:            problem.BadWebhookURL,
		`{"url":"https://127.0.0.1/"}`:             problem.BadWebhookURL,
		`{"url":"https://169.254.169.254/latest"}`: problem.BadWebhookURL,
		`{"url":"https://ann:b@example.com/"}`:     problem.BadWebhookURL,
		`{"url":"https://example.com:22/"}`:        problem.BadWebhookURL,
		`{"url":""}`:                               problem.BadWebhookURL,
		`{}`:                                       problem.BadWebhookURL,
		``:                                         problem.BadRequest,
		`{"url":1}`:                                problem.BadRequest,
		`{"url":"https://example.com/"}{}`:         problem.BadRequest,
		`{"url":"https://example.com/","secret":""}`:                             problem.BadRequest,
		`{"url":"https://example.com/` + strings.Repeat("x", maxJSONBody) + `"}`: problem.BadRequest,
	} {
		res, b := s.do(t, "PUT", "/webhook", strings.NewReader(body), "Content-Type", "application/json")
		checkProblem(t, res, b, want)
	}
	if _, err := s.Webhooks.Get(t.Context(), "anna"); err == nil {
		t.Error("a rejected request has created settings")
	}
}

func TestPutWebhookSwitchesOn(t *testing.T) {
	s := startGateway(t, nil)
	s.putWebhook(t, hookURL)
	_, err := s.Webhooks.Update(t.Context(), "anna", func(c *webhooks.Settings) error {
		c.FailingSince, c.DisabledAt, c.DisabledReason = time.Now(), time.Now(), "status 410"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, b := s.do(t, "GET", "/webhook", nil)
	if v := decode[webhookResponse](t, b); v.DisabledReason != "status 410" || v.DisabledAt.IsZero() || v.FailingSince.IsZero() {
		t.Errorf("switched off: %s", b)
	}
	_, b = s.putWebhook(t, hookURL)
	if v := decode[webhookResponse](t, b); v.DisabledReason != "" || !v.DisabledAt.IsZero() || !v.FailingSince.IsZero() {
		t.Errorf("after PUT: %s", b)
	}
}

func TestNotifyURL(t *testing.T) {
	for name, upload := range map[string]func(t *testing.T, s *testGateway, hook string) (*http.Response, []byte){
		"field before the file": func(t *testing.T, s *testGateway, hook string) (*http.Response, []byte) {
			return s.upload(t, form{field{"notify_url", hook}, file{"a.mp4", video}})
		},
		"field after the file": func(t *testing.T, s *testGateway, hook string) (*http.Response, []byte) {
			return s.upload(t, form{file{"a.mp4", video}, field{"notify_url", hook}})
		},
		"query": func(t *testing.T, s *testGateway, hook string) (*http.Response, []byte) {
			return s.do(t, "POST", "/upload?notify_url="+url.QueryEscape(hook), bytes.NewReader(video), "Content-Type", "video/mp4")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startGateway(t, nil)
			res, b := upload(t, s, hookURL)
			checkProblem(t, res, b, problem.NoWebhookSecret)
			if res, b := s.do(t, "POST", "/webhook/secret", nil); res.StatusCode != 201 {
				t.Fatalf("%d %s", res.StatusCode, b)
			}
			res, b = upload(t, s, "https://10.0.0.1/")
			checkProblem(t, res, b, problem.BadWebhookURL)
			s.checkNothingLeft(t)
			res, b = upload(t, s, hookURL)
			if res.StatusCode != http.StatusAccepted {
				t.Fatalf("%d %s", res.StatusCode, b)
			}
			j, err := s.Jobs.Get(t.Context(), decode[jobResponse](t, b).ID)
			if err != nil || j.NotifyURL != hookURL {
				t.Errorf("notify_url %q, %v", j.NotifyURL, err)
			}
		})
	}
}

// withDeliveries returns a done job with deliveries to all targets.
func (s *testGateway) withDeliveries(t *testing.T) jobs.Job {
	t.Helper()
	j := s.mustConvert(t, "a.mp4", []byte("mp3"))
	return s.update(t, j.ID, func(j *jobs.Job) error {
		now := time.Now()
		if err := j.ClaimNotification(s.config.Policy, "test", now); err != nil {
			return err
		}
		var results []jobs.DeliveryResult
		for _, target := range []string{jobs.TargetJob, jobs.TargetUser, jobs.TargetOperator} {
			d := jobs.Delivery{ID: id.New(), Target: target}
			j.OpenDeliveries([]jobs.Delivery{d}, now)
			results = append(results, jobs.DeliveryResult{ID: d.ID, URL: hookURL, State: jobs.DeliveryDelivered,
				Attempt: jobs.DeliveryAttempt{At: jobs.Truncate(now), Status: 200, Milliseconds: 7}})
		}
		results[1].State, results[1].Attempt.Status, results[1].Attempt.Error = jobs.DeliveryPending, 0, "the connection was refused"
		if err := j.RecordDeliveries("test", results, 24*time.Hour, now); err != nil {
			return err
		}
		return j.RecordNotification(s.config.Policy, "test", nil, jobs.NotificationSent, now)
	})
}

// A delivery that has ended without success says how.
func TestEndedDeliveries(t *testing.T) {
	s := startGateway(t, nil)
	j := s.withDeliveries(t)
	for _, state := range []jobs.DeliveryState{jobs.DeliveryRejected, jobs.DeliveryFailed} {
		s.update(t, j.ID, func(j *jobs.Job) error { j.Deliveries[1].State = state; return nil })
		_, b := s.do(t, "GET", "/jobs/"+j.ID+"/deliveries", nil)
		got := decode[struct{ Deliveries []deliveryResponse }](t, b).Deliveries[1]
		if got.State != state || !got.NextAt.IsZero() {
			t.Errorf("%+v, want state %s and no further attempt", got, state)
		}
	}
}

func TestDeliveries(t *testing.T) {
	s := startGateway(t, nil)
	j := s.withDeliveries(t)
	type list struct{ Deliveries []deliveryResponse }
	_, b := s.do(t, "GET", "/jobs/"+j.ID+"/deliveries", nil)
	got := decode[list](t, b).Deliveries
	if len(got) != 2 {
		t.Fatalf("%d deliveries, want those that are the user's: %s", len(got), b)
	}
	delivered, pending := got[0], got[1]
	if delivered.Target != "job" || delivered.State != "delivered" || delivered.URL != hookURL || delivered.Attempts != 1 || !delivered.NextAt.IsZero() ||
		len(delivered.Log) != 1 || delivered.Log[0].Status != 200 || delivered.Log[0].Milliseconds != 7 {
		t.Errorf("delivered: %+v", delivered)
	}
	if pending.Target != "user" || pending.State != "pending" || !pending.NextAt.Equal(j.DueAt) || pending.Log[0].Error == "" {
		t.Errorf("pending: %+v", pending)
	}
	queued := s.mustUpload(t, "b.mp4")
	if _, b = s.do(t, "GET", "/jobs/"+queued.ID+"/deliveries", nil); strings.TrimSpace(string(b)) != `{"deliveries":[]}` {
		t.Errorf("of a queued job: %s", b)
	}
	for _, path := range []string{"/jobs/" + j.ID + "/deliveries", "/jobs/" + id.New() + "/deliveries"} {
		res, b := s.do(t, "GET", path, nil, "Authorization", "Bearer "+s.tokenOf(t, "bob"))
		checkProblem(t, res, b, problem.JobNotFound)
	}
}

func TestResend(t *testing.T) {
	s := startGateway(t, nil)
	j := s.withDeliveries(t)
	resend := func(delivery string) (*http.Response, []byte) {
		return s.do(t, "POST", "/jobs/"+j.ID+"/deliveries/"+delivery+"/resend", nil)
	}
	res, b := resend(j.Deliveries[0].ID)
	checkProblem(t, res, b, problem.WebhookOff) // no secret
	s.putWebhook(t, hookURL)
	for _, unknown := range []string{id.New(), "x", j.Deliveries[2].ID} { // the last is the operator's
		res, b := resend(unknown)
		checkProblem(t, res, b, problem.DeliveryNotFound)
	}
	for i, d := range j.Deliveries[:2] {
		before := s.queue.count()
		res, b := resend(d.ID)
		if res.StatusCode != http.StatusAccepted {
			t.Fatalf("%d %s", res.StatusCode, b)
		}
		if v := decode[deliveryResponse](t, b); v.ID != d.ID || v.State != jobs.DeliveryPending {
			t.Errorf("response %+v", v)
		}
		if s.queue.count() != before+1 || s.queue.sent[before] != "mp3 "+j.ID {
			t.Errorf("wake-ups %q", s.queue.sent[before:])
		}
		stored, err := s.Jobs.Get(t.Context(), j.ID)
		if err != nil || stored.Deliveries[i].State != jobs.DeliveryPending || stored.Notification.Outcome != "" {
			t.Errorf("%v, %+v", err, stored)
		}
	}
	if _, err := s.Webhooks.Update(t.Context(), "anna", func(c *webhooks.Settings) error { c.DisabledAt = time.Now(); return nil }); err != nil {
		t.Fatal(err)
	}
	res, b = resend(j.Deliveries[1].ID)
	checkProblem(t, res, b, problem.WebhookOff)
	if res, b = resend(j.Deliveries[0].ID); res.StatusCode != http.StatusAccepted {
		t.Errorf("the job's own, while the webhook is off: %d %s", res.StatusCode, b)
	}
	res, b = s.do(t, "POST", "/jobs/"+j.ID+"/deliveries/"+j.Deliveries[0].ID+"/resend", nil, "Authorization", "Bearer "+s.tokenOf(t, "bob"))
	checkProblem(t, res, b, problem.JobNotFound)
}
