package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"mp3converter/shared/client"
)

// runResume kills the gateway's pods in the middle of a part of a resumable upload. The
// upload goes on in another pod, and its job is done.
func runResume(ctx context.Context, s *suite) error {
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	video, _, err := s.burstVideo()
	if err != nil {
		return err
	}
	k := &gatewayKiller{suite: s, at: int64(len(video)) / 2}
	user := client.Client{BaseURL: s.user.BaseURL, Token: s.user.Token, HTTP: s.user.HTTP, RetryFor: time.Minute}
	u := client.Resumable{
		Client: &user, Video: client.Video{Name: "resumed.mp4"}, File: bytes.NewReader(video), Size: int64(len(video)),
		PartSize: int64(len(video)), // so that the pod dies inside of it
		Progress: func(offset int64) { k.progress(ctx, offset) },
		Resumed:  func(offset int64) { k.resumed = append(k.resumed, offset) },
	}
	id, err := u.Run(ctx)
	if err := errors.Join(err, k.err); err != nil {
		return err
	}
	if !k.killed || len(k.resumed) == 0 {
		return fmt.Errorf("the upload was not interrupted: killed %v, resumed at %v", k.killed, k.resumed)
	}
	sent := float64(u.Sent()) / float64(len(video))
	fmt.Printf("   killed at %d of %d bytes, resumed at %v; sent %.2f times the file\n", k.at, len(video), k.resumed, sent)
	s.recordFigure("resumable upload across a killed gateway, bytes sent ÷ size", sent)
	if id != u.ID {
		return fmt.Errorf("job %s, want the ID of the upload, %s", id, u.ID)
	}
	if _, err := user.Wait(ctx, id); err != nil {
		return err
	}
	return s.user.Delete(ctx, id)
}

// gatewayKiller kills the gateway's pods once when an upload reaches a number of bytes. The
// upload stands still meanwhile.
type gatewayKiller struct {
	*suite
	at      int64
	killed  bool
	resumed []int64
	err     error
}

func (k *gatewayKiller) progress(ctx context.Context, offset int64) {
	if k.killed || offset < k.at {
		return
	}
	k.killed = true
	// The command ends when the containers are dead. A second is too short for the request.
	_, k.err = k.cluster.kubectl(ctx, "delete", "pod", "-l", "serving.knative.dev/service=gateway", "--grace-period=1")
}
