// Package program runs the program of one machine for the tests of hostile clients and
// of long use.
package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/client"
	"mp3converter/test/testproc"
)

// Program is a running program.
type Program struct {
	Address string // host:port
	DataDir string

	metrics string // address of the metrics
}

// Password is that of every user of Login.
const Password = "correct horse battery staple"

// Start builds the program and runs it on the loopback interface until the test ends.
func Start(t testing.TB, env ...string) *Program {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "mp3converter")
	if out, err := exec.Command("go", "build", "-o", binary, "mp3converter/cmd/mp3converter").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ports := testproc.FreePorts(t, 2)
	p := &Program{
		Address: fmt.Sprint("127.0.0.1:", ports[0]),
		DataDir: filepath.Join(dir, "data"),
		metrics: fmt.Sprint("127.0.0.1:", ports[1]),
	}
	log := filepath.Join(dir, "log")
	process, err := testproc.Start(log, append([]string{
		fmt.Sprint("PORT=", ports[0]), "METRICS_ADDR=" + p.metrics, "DATA_DIR=" + p.DataDir, "LOCAL_USER=first@example.com:" + Password,
		// The tests log in more often than a user.
		"LOGIN_ACCOUNT_CLIENT_BURST=1000", "LOGIN_ACCOUNT_BURST=1000", "LOGIN_CLIENT_BURST=1000",
	}, env...), binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Terminate(15 * time.Second)
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("log:\n%s", text[max(0, len(text)-8000):])
		}
	})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Minute, errors.New("the program did not become ready"))
	defer cancel()
	if err := p.anonymous().WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *Program) anonymous() *client.Client {
	return &client.Client{BaseURL: "http://" + p.Address, HTTP: &http.Client{Transport: &http.Transport{}}}
}

// Login returns a client that is logged in as a new user.
func (p *Program) Login(t testing.TB, email string) *client.Client {
	t.Helper()
	c := p.anonymous()
	if err := c.Register(t.Context(), email, Password); err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), email, Password); err != nil {
		t.Fatal(err)
	}
	return c
}

// Metrics returns the program's metrics without labels.
func (p *Program) Metrics(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.metrics+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 4<<20))
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			values[name] = v
		}
	}
	return values, lines.Err()
}

// Files returns the number and the total size of the files below a directory of the data
// directory.
func (p *Program) Files(dir string) (n int, bytes int64, err error) {
	err = filepath.WalkDir(filepath.Join(p.DataDir, dir), func(_ string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		n++
		bytes += info.Size()
		return nil
	})
	return n, bytes, err
}
