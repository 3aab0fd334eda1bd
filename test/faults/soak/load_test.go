package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"mp3converter/shared/client"
	"mp3converter/test/faults/program"
)

// upload is a kind of upload. An empty code stands for a job that is done.
type upload struct {
	name string
	body []byte
	code string // of the failure
}

// jobTimeout bounds the time of one job, from the upload to the outcome.
const jobTimeout = 5 * time.Minute

// ledger counts what the users found.
type ledger struct {
	mu       sync.Mutex
	accepted int
	wrong    map[string]int // jobs that ended otherwise than they must, and other surprises
	lost     int            // jobs without an outcome
}

func (l *ledger) accept() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted++
}

// surprise records what must not happen. What the end of the run interrupts does not count.
func (l *ledger) surprise(ctx context.Context, format string, args ...any) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong[fmt.Sprintf(format, args...)]++
}

func (l *ledger) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost++
}

// use lets a user do random things until stop ends. A job that was accepted is followed to
// its outcome even then.
func use(ctx context.Context, stop <-chan struct{}, email string, c *client.Client, uploads []upload, l *ledger) {
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(rand.IntN(300)) * time.Millisecond):
		}
		switch rand.IntN(20) {
		case 0:
			if err := c.Login(ctx, email, program.Password); err != nil && client.StatusCode(err) != http.StatusTooManyRequests {
				l.surprise(ctx, "login: %v", err)
			}
		case 1:
			wrongToken(ctx, c, l)
		case 2:
			if _, err := c.Jobs(ctx); err != nil {
				l.surprise(ctx, "list: %v", err)
			}
		case 3, 4:
			cancelOne(ctx, c, uploads[rand.IntN(len(uploads))], l)
		default:
			convertOne(ctx, c, uploads[rand.IntN(len(uploads))], l)
		}
	}
}

// wrongToken expects to be refused, also in the middle of an upload.
func wrongToken(ctx context.Context, c *client.Client, l *ledger) {
	stranger := client.Client{BaseURL: c.BaseURL, Token: c.Token + "x", HTTP: c.HTTP}
	_, err := stranger.Upload(ctx, "x.mp4", io.LimitReader(zeros{}, 1<<20))
	if client.StatusCode(err) != http.StatusUnauthorized {
		l.surprise(ctx, "upload with a wrong token: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// cancelOne cancels a job at a random time of its life, and deletes it.
func cancelOne(ctx context.Context, c *client.Client, u upload, l *ledger) {
	j, err := c.Upload(ctx, u.name, bytes.NewReader(u.body))
	if err != nil {
		l.surprise(ctx, "upload of %s: %v", u.name, err)
		return
	}
	l.accept()
	time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
	cancelErr := c.Cancel(ctx, j.ID)
	wasFinished := client.StatusCode(cancelErr) == http.StatusConflict
	if cancelErr != nil && !wasFinished {
		l.surprise(ctx, "cancel: %v", cancelErr)
	}
	switch j, err := c.Job(ctx, j.ID); {
	case err != nil:
		l.surprise(ctx, "read a cancelled job: %v", err)
	case (j.State == "cancelled") == wasFinished:
		l.surprise(ctx, "a job that was finished before it was cancelled: %v, is %s", wasFinished, j.State)
	}
	if err := c.Delete(ctx, j.ID); err != nil {
		l.surprise(ctx, "delete: %v", err)
	}
}

// convertOne uploads a video and follows its job to the end.
func convertOne(ctx context.Context, c *client.Client, u upload, l *ledger) {
	j, err := c.Upload(ctx, u.name, bytes.NewReader(u.body))
	if err != nil {
		l.surprise(ctx, "upload of %s: %v", u.name, err)
		return
	}
	l.accept()
	j, err = outcome(ctx, c, j.ID)
	switch {
	case err != nil:
		l.lose()
		l.surprise(ctx, "job of %s: %v", u.name, err)
		return
	case j.Error.Code != u.code || (j.State == "done") != (u.code == ""):
		l.surprise(ctx, "job of %s is %s %s", u.name, j.State, j.Error.Code)
	}
	if j.State == "done" {
		for range 1 + rand.IntN(2) {
			if err := c.Download(ctx, j, io.Discard); err != nil {
				l.surprise(ctx, "download: %v", err)
			}
		}
	}
	if err := c.Delete(ctx, j.ID); err != nil {
		l.surprise(ctx, "delete: %v", err)
	}
}

// outcome waits for a job as users do, with ?wait=.
func outcome(ctx context.Context, c *client.Client, id string) (client.Job, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, jobTimeout, errors.New("no outcome"))
	defer cancel()
	j, err := c.Wait(ctx, id)
	var ended *client.JobError
	if errors.As(err, &ended) {
		return ended.Job, nil
	}
	return j, err
}
