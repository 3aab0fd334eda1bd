package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

const receiverURL = "http://receiver.mp3converter-e2e.svc.cluster.local/"

// runWebhook sets a user's webhook to a receiver inside the cluster, which the operator
// permits for this step, and checks that the receiver accepts the signed message of a job.
func runWebhook(ctx context.Context, s *suite) (err error) {
	restore, err := s.permitReceiver(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore(context.WithoutCancel(ctx))) }()
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	var created struct{ Secret string }
	if err := s.call(ctx, http.MethodPut, "/webhook", `{"url":"`+receiverURL+`"}`, http.StatusCreated, &created); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.call(context.WithoutCancel(ctx), http.MethodDelete, "/webhook", "", http.StatusNoContent, nil))
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
	return s.checkLink(ctx, link)
}

// permitReceiver lets webhooks be sent to addresses of the cluster, without TLS.
func (s *suite) permitReceiver(ctx context.Context) (restore func(context.Context) error, err error) {
	address, err := s.cluster.kubectl(ctx, "get", "service", "rabbitmq", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return nil, err
	}
	_ = address
	return nil, errors.New("not written yet")
}

// startReceiver starts the receiver with the user's secret.
func (s *suite) startReceiver(ctx context.Context, secret string) error {
	manifest := `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"receiver","namespace":"mp3converter-e2e"},"stringData":{"WEBHOOK_SECRET":"` + secret + `"}}`
	if err := s.cluster.apply(ctx, manifest); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "ko", "apply", "--context", s.cluster.context, "-f", "test/e2e/receiver.yaml").CombinedOutput(); err != nil {
		return fmt.Errorf("ko apply: %w: %s", err, strings.TrimSpace(string(out)))
	}
	_, err := s.cluster.kubectl(ctx, "-n", "mp3converter-e2e", "wait", "--for=condition=Ready", "--timeout=2m", "pod/receiver")
	return err
}

// waitMessage waits until the receiver has accepted the message of a job, and returns the
// link to the MP3 in it.
func (s *suite) waitMessage(ctx context.Context, jobID string) (link string, err error) {
	err = poll(ctx, time.Second, func() (bool, error) {
		var messages []struct {
			ID   string
			Body struct {
				Type string
				Data struct {
					Job, State string
					Audio      struct{ URL string }
				}
			}
		}
		body, err := s.cluster.getRaw(ctx, "/api/v1/namespaces/mp3converter-e2e/services/receiver:http/proxy/messages")
		if err == nil {
			err = json.Unmarshal(body, &messages)
		}
		if err != nil {
			return false, err
		}
		for _, m := range messages {
			if m.Body.Data.Job == jobID && m.Body.Data.State == "done" {
				link = m.Body.Data.Audio.URL
				return true, nil
			}
		}
		return false, fmt.Errorf("the receiver has accepted %d messages, none about job %s", len(messages), jobID)
	})
	return link, err
}
