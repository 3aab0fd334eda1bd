package main

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"testing"

	"mp3converter/shared/client"
	"mp3converter/test/samples"
	"mp3converter/test/testproc"
)

// While one user has many videos queued, another user's first video starts after at
// most one of them for each converter.
func TestUsersTakeTurns(t *testing.T) {
	const converters = 1
	queued := 40
	if os.Getenv("FAULTS") == "all" {
		queued = 1000
	}
	url := startService(t, "CONVERSIONS", strconv.Itoa(converters))
	video, err := samples.Spec{Name: "short.mp4", Seconds: 20}.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first, second := register(t, url, "first@example.com"), register(t, url, "second@example.com")
	for range queued {
		upload(t, first, video)
	}
	before := finished(t, first)
	j := upload(t, second, video)
	if _, err := second.Wait(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	after := finished(t, first)
	// One more may end after the second user's video and before it is counted.
	if n := after - before; n > 2*converters {
		t.Errorf("%d of the first user's %d videos were converted before the second user's only one, want at most %d", n, queued, converters)
	}
	t.Logf("%d of %d videos were converted when the second user uploaded one, %d when it was done", before, queued, after)
}

// startService runs the service until the test ends, and returns its URL.
func startService(t *testing.T, env ...string) string {
	t.Helper()
	port := strconv.Itoa(testproc.FreePorts(t, 1)[0])
	for _, e := range [][2]string{{"PORT", port}, {"DATA_DIR", t.TempDir()}, {"LOG_FORMAT", "text"}} {
		t.Setenv(e[0], e[1])
	}
	for i := 0; i < len(env); i += 2 {
		t.Setenv(env[i], env[i+1])
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	c := &client.Client{BaseURL: "http://127.0.0.1:" + port}
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.BaseURL
}

func register(t *testing.T, url, email string) *client.Client {
	t.Helper()
	c := &client.Client{BaseURL: url}
	if err := c.Register(t.Context(), email, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), email, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	return c
}

func upload(t *testing.T, c *client.Client, video []byte) client.Job {
	t.Helper()
	j, err := c.Upload(t.Context(), "a.mp4", bytes.NewReader(video))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// finished returns how many of a user's jobs are not queued or converting.
func finished(t *testing.T, c *client.Client) int {
	t.Helper()
	n, before := 0, ""
	for {
		page, next, err := c.JobsPage(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page {
			if j.State != "queued" && j.State != "converting" {
				n++
			}
		}
		if before = next; before == "" {
			return n
		}
	}
}
