package service

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/client"
	"mp3converter/shared/id"
	"mp3converter/test/samples"
)

const (
	requestTimeout = 40 * time.Second
	// retryTimeout bounds the requests that are repeated until they succeed.
	retryTimeout = 3 * time.Minute
)

// User is a user of the service.
type User struct {
	client.Client
	Subject string // of the tokens: the owner of the jobs

	video, silent []byte
}

// NewUser returns a user without an account.
func (s *Service) NewUser(t testing.TB) *User {
	t.Helper()
	return &User{
		Client: client.Client{BaseURL: s.URL, HTTP: httpClient},
		video:  sample(t, samples.Spec{Name: "short.mp4", Seconds: VideoSeconds}),
		silent: sample(t, samples.Spec{Name: "silent.mp4", Seconds: VideoSeconds, Audio: "none"}),
	}
}

// VideoSeconds is the length of the videos.
const VideoSeconds = 1.5

func sample(t testing.TB, spec samples.Spec) []byte {
	t.Helper()
	video, err := spec.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return video
}

// Join registers the user and logs in, as often as it takes.
func (u *User) Join(ctx context.Context, email string) error {
	const password = "correct horse battery"
	err := retry(ctx, func(ctx context.Context) error {
		err := u.Register(ctx, email, password)
		if client.StatusCode(err) == http.StatusConflict { // an earlier request has registered the user
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := retry(ctx, func(ctx context.Context) error { return u.Login(ctx, email, password) }); err != nil {
		return err
	}
	part := strings.Split(u.Token, ".")[1]
	claims, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	var c struct{ Sub string }
	err = json.Unmarshal(claims, &c)
	u.Subject = c.Sub
	return err
}

// retry repeats a request until it succeeds or is refused, so that it reaches a service
// that is being restarted.
func retry(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, retryTimeout)
	defer cancel()
	for {
		tryCtx, cancelTry := context.WithTimeout(ctx, requestTimeout)
		err := request(tryCtx)
		cancelTry()
		if err == nil || ctx.Err() != nil {
			return err
		}
		switch client.StatusCode(err) {
		case 0, http.StatusConflict, http.StatusLocked, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInsufficientStorage:
		default:
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Kind is what becomes of an accepted job.
type Kind int

// Kinds of jobs.
const (
	Good      Kind = iota // has a video with sound
	Silent                // fails with no_audio
	Exhausted             // fails with attempts_exhausted
	Cancelled             // was cancelled by its user, unless it was done before
	Deleted               // was deleted by its user, or has expired
)

// Upload uploads a video of a kind once and notes it in the ledger if it was accepted.
func (u *User) Upload(ctx context.Context, l *Ledger, kind Kind) (string, error) {
	video := u.video
	if kind == Silent {
		video = u.silent
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	j, err := u.Client.Upload(ctx, "short.mp4", bytes.NewReader(video))
	if err != nil {
		return "", err
	}
	l.Accept(j.ID, kind)
	return j.ID, nil
}

// MustUpload is Upload until it is accepted.
func (u *User) MustUpload(ctx context.Context, l *Ledger, kind Kind) (id string, err error) {
	err = retry(ctx, func(ctx context.Context) error {
		id, err = u.Upload(ctx, l, kind)
		return err
	})
	return id, err
}

// Remove cancels a job or deletes a finished one, as often as it takes.
func (u *User) Remove(ctx context.Context, l *Ledger, id string, kind Kind) error {
	remove, done := u.Delete, http.StatusNotFound // an earlier request has deleted it
	if kind == Cancelled {
		remove, done = u.Cancel, http.StatusConflict // cancelled it, or it was done before
	}
	l.Accept(id, kind)
	return retry(ctx, func(ctx context.Context) error {
		if err := remove(ctx, id); client.StatusCode(err) != done {
			return err
		}
		return nil
	})
}

// uploadWithBadOption sends an upload that is refused after its video was stored.
func (u *User) uploadWithBadOption(ctx context.Context) error {
	return retry(ctx, func(ctx context.Context) error {
		resp, err := u.Do(ctx, http.MethodPost, "/upload?name=short.mp4&bitrate=7", http.Header{"Content-Type": {"video/mp4"}}, bytes.NewReader(u.video))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusBadRequest {
			return nil
		}
		return &client.StatusError{Method: "POST", Path: "/upload", Status: resp.StatusCode}
	})
}

// uploadTwice sends an upload with an idempotency key twice, each as often as it takes.
func (u *User) uploadTwice(ctx context.Context, l *Ledger) error {
	key := id.New()
	var jobs [2]string
	for i := range jobs {
		err := retry(ctx, func(ctx context.Context) error {
			status, body, err := u.uploadForm(ctx, key, "title", "x")
			var j client.Job
			if err == nil {
				err = json.Unmarshal(body, &j)
			}
			jobs[i] = j.ID
			if err == nil && status != http.StatusAccepted {
				err = &client.StatusError{Method: "POST", Path: "/upload", Status: status, Problem: client.Problem{Title: string(body)}}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if jobs[0] != jobs[1] {
		return errors.New("an upload and its repetition are the jobs " + jobs[0] + " and " + jobs[1])
	}
	l.Accept(jobs[0], Good)
	return nil
}

// uploadWithBadLastOption sends an upload with an idempotency key that is refused after
// its video was stored.
func (u *User) uploadWithBadLastOption(ctx context.Context) error {
	key := id.New()
	return retry(ctx, func(ctx context.Context) error {
		status, body, err := u.uploadForm(ctx, key, "bitrate", "7")
		if err == nil && status != http.StatusBadRequest {
			err = &client.StatusError{Method: "POST", Path: "/upload", Status: status, Problem: client.Problem{Title: string(body)}}
		}
		return err
	})
}

// uploadForm sends a form with a video and, after it, an option.
func (u *User) uploadForm(ctx context.Context, key, option, value string) (status int, body []byte, err error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	w, err := form.CreateFormFile("file", "short.mp4")
	if err == nil {
		_, err = w.Write(u.video)
	}
	if err := errors.Join(err, form.WriteField(option, value), form.Close()); err != nil {
		return 0, nil, err
	}
	header := http.Header{"Content-Type": {form.FormDataContentType()}, "Idempotency-Key": {key}}
	resp, err := u.Do(ctx, http.MethodPost, "/upload", header, &b)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// Live does once everything that a user can do with jobs.
func (u *User) Live(ctx context.Context, l *Ledger, email string) error {
	if err := u.Join(ctx, email); err != nil {
		return err
	}
	good, err := u.MustUpload(ctx, l, Good)
	if err != nil {
		return err
	}
	_, err = u.MustUpload(ctx, l, Silent)
	_, resumeErr := u.MustResume(ctx, l)
	err = errors.Join(err, resumeErr, u.uploadWithBadOption(ctx), u.uploadWithBadLastOption(ctx), u.uploadTwice(ctx, l))
	if err != nil {
		return err
	}
	cancelled, err := u.MustUpload(ctx, l, Good)
	if err != nil {
		return err
	}
	if err := u.Remove(ctx, l, cancelled, Cancelled); err != nil {
		return err
	}
	deleted, err := u.MustUpload(ctx, l, Good)
	if err != nil {
		return err
	}
	for _, id := range []string{good, deleted} {
		if err := u.waitFinal(ctx, id); err != nil {
			return err
		}
	}
	return u.Remove(ctx, l, deleted, Deleted)
}

// waitFinal waits until the job has an outcome.
func (u *User) waitFinal(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, retryTimeout, errors.New("job "+id+" has no outcome"))
	defer cancel()
	for {
		var j client.Job
		err := retry(ctx, func(ctx context.Context) (err error) { j, err = u.Job(ctx, id); return err })
		if err != nil || j.State == "done" || j.State == "failed" || j.State == "cancelled" {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
