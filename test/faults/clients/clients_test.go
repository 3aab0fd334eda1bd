// Package clients tests that hostile clients do not take the service from others: beside
// hundreds of them, a normal user's requests take at most twice as long as without.
package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mp3converter/shared/client"
	"mp3converter/test/faults/program"
	"mp3converter/test/faults/report"
	"mp3converter/test/samples"
)

const (
	// factor is how much longer a step may take under attack.
	factor = 2
	// allowance is added to it: most steps take only milliseconds, and the attackers
	// run on the same machine.
	allowance = 1500 * time.Millisecond
	// sessionTimeout is when a session under attack is given up.
	sessionTimeout = 2 * time.Minute
	// attackers is the number of accounts that the hostile clients use.
	attackers = 2
)

// size is the extent of a run.
type size struct {
	connections, sessions int
	all                   bool
}

func sizeOfRun() size {
	if os.Getenv("FAULTS") == "all" {
		return size{connections: 500, sessions: 3, all: true}
	}
	return size{connections: 60, sessions: 3}
}

func TestHostileClients(t *testing.T) {
	z := sizeOfRun()
	// The attackers' unfinished jobs leave one place for the user's conversion.
	p := program.Start(t, fmt.Sprint("CONVERSIONS=", attackers+1))
	video := readSample(t, samples.Spec{Name: "user.mp4", Seconds: 10})
	user := p.Login(t, "user@example.com")
	var hostile []*client.Client
	for i := range attackers {
		hostile = append(hostile, p.Login(t, fmt.Sprintf("hostile%d@example.com", i)))
	}
	if _, err := measure(t.Context(), user, video); err != nil { // warms up
		t.Fatal(err)
	}
	for _, a := range attacks {
		if !z.all && !a.small {
			continue
		}
		t.Run(a.name, func(t *testing.T) { testAttack(t, p, z, a, user, hostile, video) })
	}
}

func testAttack(t *testing.T, p *program.Program, z size, a attack, user *client.Client, hostile []*client.Client, video []byte) {
	var targets []target
	for _, h := range hostile {
		job := prepare(t, h, a.needs)
		if job != "" {
			defer h.Remove(t.Context(), job)
		}
		targets = append(targets, target{token: h.Token, job: job, video: video})
	}
	quiet, _, err := sessions(t.Context(), z.sessions, user, video)
	if err != nil {
		t.Fatalf("without an attack: %v", err)
	}
	s := besiege(t.Context(), p.Address, z.connections, a, targets)
	sleep(t.Context(), 3*time.Second)
	slow, accepted, err := sessions(t.Context(), z.sessions, user, video)
	opened := s.opened.Load()
	for i, h := range hostile {
		if j, err := h.Job(t.Context(), targets[i].job); a.needs == "unfinished" && (err != nil || j.State != "converting") {
			t.Errorf("the attackers had nothing to wait for: job %s, %v", j.State, err)
		}
	}
	ended := time.Now()
	s.end()

	row := report.Row{Fault: fmt.Sprintf("clients: %s (%d)", a.name, z.connections), Runs: 1, Accepted: accepted}
	if err != nil {
		t.Errorf("under attack: %v", err)
		row.FailedWrongly++
	}
	for step := range quiet {
		t.Logf("%-10s %7.3f s, under attack %7.3f s", stepNames[step], quiet[step].Seconds(), slow[step].Seconds())
		if slow[step] > factor*quiet[step]+allowance {
			t.Errorf("%s takes %v under attack, %v without", stepNames[step], slow[step], quiet[step])
		}
	}
	if opened < int64(z.connections) {
		t.Errorf("only %d of %d connections were opened", opened, z.connections)
	}
	if _, err := measure(t.Context(), user, video); err != nil {
		t.Errorf("after the attack: %v", err)
		row.FailedWrongly++
	}
	row.LongestRecovery = time.Since(ended)
	report.Save(t, row)
}

// The steps of a session.
var stepNames = [...]string{"login", "upload", "conversion", "download"}

type times [len(stepNames)]time.Duration

// measure logs in, uploads a video, waits for its MP3, downloads and deletes it.
func measure(ctx context.Context, c *client.Client, video []byte) (took times, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sessionTimeout, errors.New("the session took too long"))
	defer cancel()
	begun := time.Now()
	step := 0
	next := func() { took[step] = time.Since(begun); begun = time.Now(); step++ }
	if err := c.Login(ctx, "user@example.com", program.Password); err != nil {
		return took, err
	}
	next()
	j, err := c.Upload(ctx, "user.mp4", bytes.NewReader(video))
	if err != nil {
		return took, err
	}
	next()
	if j, err = c.Wait(ctx, j.ID); err != nil {
		return took, err
	}
	next()
	if err := c.Download(ctx, j, io.Discard); err != nil {
		return took, err
	}
	next()
	return took, c.Delete(ctx, j.ID)
}

// sessions returns the median times of n sessions, and how many were complete.
func sessions(ctx context.Context, n int, c *client.Client, video []byte) (median times, complete int, err error) {
	var all []times
	for range n {
		took, err := measure(ctx, c, video)
		if err != nil {
			return median, complete, err
		}
		complete++
		all = append(all, took)
	}
	for step := range median {
		slices.SortFunc(all, func(a, b times) int { return int(a[step] - b[step]) })
		median[step] = all[n/2][step]
	}
	return median, complete, nil
}

// prepare uploads what an attack needs and returns its job.
func prepare(t *testing.T, c *client.Client, needs string) string {
	t.Helper()
	if needs == "" {
		return ""
	}
	loops := map[string]int{"unfinished": 3000, "mp3": 30}[needs]
	j, err := c.Upload(t.Context(), "hostile.m4a", bytes.NewReader(repeatedSample(t, loops)))
	if err != nil {
		t.Fatal(err)
	}
	if needs == "mp3" {
		if j, err = c.Wait(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
	}
	return j.ID
}

// repeatedSample returns ten seconds of sound, repeated.
func repeatedSample(t *testing.T, times int) []byte {
	t.Helper()
	dir := t.TempDir()
	once, err := samples.Spec{Name: "once.m4a", Seconds: 10, Video: "none", Audio: "aac -b:a 32k", Layout: "mono"}.Path(dir)
	if err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, "long.m4a")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-stream_loop", fmt.Sprint(times), "-i", once, "-c", "copy", long)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	b, err := os.ReadFile(long)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readSample(t *testing.T, spec samples.Spec) []byte {
	t.Helper()
	b, err := spec.Read(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return b
}
