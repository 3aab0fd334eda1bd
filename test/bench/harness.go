package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"mp3converter/shared/client"
)

const (
	user     = "bench@example.com"
	password = "correct horse battery staple"
)

// harness is a temporary directory that holds the built binary and all files of
// the run.
type harness struct {
	dir    string
	binary string
	prefix []string // command that starts all programs, such as taskset
}

func newHarness(ctx context.Context) (*harness, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	h := &harness{dir: dir, binary: filepath.Join(dir, "mp3converter")}
	if err := runCommand(ctx, "go", "build", "-o", h.binary, "./cmd/mp3converter"); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *harness) close() { os.RemoveAll(h.dir) }

// withOneCore returns a harness that starts programs on the machine's first core.
func (h harness) withOneCore() *harness {
	h.prefix = []string{"taskset", "-c", "0"}
	return &h
}

// commandLine returns a command line that begins with the prefix.
func (h *harness) commandLine(name string, args ...string) []string {
	return append(append(slices.Clone(h.prefix), name), args...)
}

// service is a running binary with empty stores, and a client of it that is
// logged in.
type service struct {
	*client.Client
	cmd     *exec.Cmd
	dataDir string
}

// start runs the service and logs in.
func (h *harness) start(ctx context.Context, env ...string) (*service, error) {
	dataDir, err := os.MkdirTemp(h.dir, "data-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &service{Client: &client.Client{BaseURL: "http://127.0.0.1:" + port, PollInterval: 20 * time.Millisecond}, dataDir: dataDir}
	line := h.commandLine(h.binary)
	s.cmd = exec.CommandContext(ctx, line[0], line[1:]...)
	s.cmd.Env = append(os.Environ(), append([]string{"PORT=" + port, "DATA_DIR=" + dataDir, "LOCAL_USER=" + user + ":" + password}, env...)...)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("the service did not become ready"))
	defer cancel()
	if err := s.WaitReady(ready); err != nil {
		s.stop()
		return nil, err
	}
	if err := s.Login(ctx, user, password); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *service) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
	os.RemoveAll(s.dataDir)
}

// uploadFile uploads a video and returns its job.
func (s *service) uploadFile(ctx context.Context, path string) (client.Job, error) {
	f, err := os.Open(path)
	if err != nil {
		return client.Job{}, err
	}
	defer f.Close()
	return s.Upload(ctx, filepath.Base(path), f)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}
