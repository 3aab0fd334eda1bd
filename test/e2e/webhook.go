package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

const (
	receiverNamespace = "mp3converter-e2e"
	receiverURL       = "http://receiver." + receiverNamespace + ".svc.cluster.local/"
)

// runWebhook sets a user's webhook to a receiver inside the cluster, which the operator
// permits for this step. The receiver must accept the signed message of a job, and the link
// in the message must lead to the MP3.
func runWebhook(ctx context.Context, s *suite) (err error) {
	// Without its Secret the pod does not start yet.
	if out, err := exec.CommandContext(ctx, "ko", "apply", "-f", "test/e2e/receiver.yaml").CombinedOutput(); err != nil {
		return fmt.Errorf("ko apply: %w: %s", err, strings.TrimSpace(string(out)))
	}
	defer func() { err = errors.Join(err, s.removeReceiver(context.WithoutCancel(ctx))) }()
	for _, function := range []string{"gateway", "notification"} {
		restore, err := s.permitReceiver(ctx, function)
		if err != nil {
			return err
		}
		defer restore(context.WithoutCancel(ctx), &err)
	}
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	var created struct{ Secret string }
	if err := s.user.call(ctx, http.MethodPut, "/webhook", `{"url":"`+receiverURL+`"}`, &created); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.user.call(context.WithoutCancel(ctx), http.MethodDelete, "/webhook", "", nil))
	}()
	if err := s.startReceiver(ctx, created.Secret); err != nil {
		return err
	}
	j, err := s.convertShort(ctx)
	if err != nil {
		return err
	}
	link, err := s.waitMessage(ctx, j.ID)
	if err != nil {
		return err
	}
	return s.user.checkLink(ctx, link, j.Audio.Bytes)
}

// permitReceiver lets a function send webhooks to the receiver's address, which is not a
// public one, and without TLS.
func (s *suite) permitReceiver(ctx context.Context, function string) (restore func(context.Context, *error), err error) {
	address, err := s.cluster.kubectl(ctx, "-n", receiverNamespace, "get", "service", "receiver", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return nil, err
	}
	before, err := s.cluster.kubectl(ctx, "get", "services.serving.knative.dev", function, "-o", "jsonpath={.spec.template.spec.containers[0].env}")
	if err != nil {
		return nil, err
	}
	var env []any
	if err := json.Unmarshal([]byte(before), &env); err != nil {
		return nil, err
	}
	env = append(env, map[string]string{"name": "WEBHOOK_ALLOW_HTTP", "value": "true"},
		map[string]string{"name": "WEBHOOK_ALLOWED_NETWORKS", "value": address + "/32"})
	after, err := json.Marshal(env)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, err *error) {
		*err = errors.Join(*err, s.setEnv(ctx, function, before))
	}, s.setEnv(ctx, function, string(after))
}

// setEnv replaces the variables of a function, in JSON, and waits until its new revision is
// ready.
func (s *suite) setEnv(ctx context.Context, function, env string) error {
	before, err := s.readyRevision(ctx, function)
	if err != nil {
		return err
	}
	patch := `[{"op":"replace","path":"/spec/template/spec/containers/0/env","value":` + env + `}]`
	if _, err := s.cluster.kubectl(ctx, "patch", "services.serving.knative.dev", function, "--type=json", "-p", patch); err != nil {
		return err
	}
	return s.waitNewRevision(ctx, function, before)
}

// startReceiver gives the receiver the user's secret, and so starts it.
func (s *suite) startReceiver(ctx context.Context, secret string) error {
	manifest, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]string{"name": "receiver", "namespace": receiverNamespace},
		"stringData": map[string]string{"WEBHOOK_SECRET": secret},
	})
	if err != nil {
		return err
	}
	if err := s.cluster.apply(ctx, string(manifest)); err != nil {
		return err
	}
	_, err = s.cluster.kubectl(ctx, "-n", receiverNamespace, "wait", "--for=condition=Ready", "--timeout=2m", "pod/receiver")
	return err
}

// removeReceiver deletes what receiver.yaml and startReceiver have created.
func (s *suite) removeReceiver(ctx context.Context) error {
	_, policyErr := s.cluster.kubectl(ctx, "delete", "networkpolicy", "notification-to-receiver")
	_, err := s.cluster.kubectl(ctx, "-n", receiverNamespace, "delete", "--ignore-not-found", "--grace-period=1", "pod/receiver", "service/receiver", "secret/receiver")
	return errors.Join(policyErr, err)
}

// waitMessage waits until the receiver has accepted the message of a job, and returns the
// link to the MP3 in it.
func (s *suite) waitMessage(ctx context.Context, jobID string) (link string, err error) {
	err = poll(ctx, time.Second, func() (bool, error) {
		var messages []struct {
			Body struct {
				Data struct {
					Job, State string
					Audio      struct{ URL string }
				}
			}
		}
		if err := s.cluster.get(ctx, "/api/v1/namespaces/"+receiverNamespace+"/services/receiver:http/proxy/messages", &messages); err != nil {
			return false, err
		}
		for _, m := range messages {
			if d := m.Body.Data; d.Job == jobID && d.State == "done" {
				link = d.Audio.URL
				return true, nil
			}
		}
		return false, fmt.Errorf("the receiver has accepted %d messages, none about job %s", len(messages), jobID)
	})
	return link, err
}

// call sends JSON and decodes the response into v, unless v is nil.
func (u *user) call(ctx context.Context, method, path, body string, v any) error {
	resp, err := u.Do(ctx, method, path, http.Header{"Content-Type": {"application/json"}}, strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, text)
	case v == nil:
		return nil
	}
	return json.Unmarshal(text, v)
}

// checkLink downloads an MP3 by a link, without a token.
func (u *user) checkLink(ctx context.Context, link string, bytes int64) error {
	parsed, err := url.Parse(link)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.BaseURL+parsed.EscapedPath(), nil)
	if err != nil {
		return err
	}
	resp, err := u.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || n != bytes {
		return fmt.Errorf("the link of the message: %s, %d bytes, %w; want an MP3 of %d bytes", resp.Status, n, err, bytes)
	}
	return nil
}
