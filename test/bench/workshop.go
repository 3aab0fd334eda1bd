package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	user     = "bench@example.com"
	password = "correct horse battery staple"
)

// workshop is a directory with a built binary in it.
type workshop struct {
	dir    string
	binary string
	prefix []string // what programs are started with
}

// oneCore returns the workshop with only the first core of the machine.
func (w workshop) oneCore() *workshop {
	w.prefix = []string{"taskset", "-c", "0"}
	return &w
}

// program returns a command line with the prefix in front.
func (w *workshop) program(name string, args ...string) []string {
	return append(append(slices.Clone(w.prefix), name), args...)
}

func newWorkshop(ctx context.Context) (*workshop, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	w := &workshop{dir: dir, binary: filepath.Join(dir, "mp3converter")}
	if err := command(ctx, "go", "build", "-o", w.binary, "./cmd/mp3converter"); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *workshop) close() { os.RemoveAll(w.dir) }

// service is the binary, running on stores of its own.
type service struct {
	cmd   *exec.Cmd
	url   string
	token string
	data  string
}

// start runs the service and logs in.
func (w *workshop) start(ctx context.Context, env ...string) (*service, error) {
	data, err := os.MkdirTemp(w.dir, "data-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &service{url: "http://127.0.0.1:" + port, data: data}
	line := w.program(w.binary)
	s.cmd = exec.CommandContext(ctx, line[0], line[1:]...)
	s.cmd.Env = append(os.Environ(), append([]string{"PORT=" + port, "DATA_DIR=" + data, "LOCAL_USER=" + user + ":" + password}, env...)...)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		var answer struct{ Token string }
		r, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/login", nil)
		r.SetBasicAuth(user, password)
		r.Header.Set("Accept", "application/json")
		if resp, err := http.DefaultClient.Do(r); err == nil {
			err = json.NewDecoder(resp.Body).Decode(&answer)
			resp.Body.Close()
			if err == nil && answer.Token != "" {
				s.token = answer.Token
				return s, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.stop()
	return nil, errors.New("the service does not come up")
}

func (s *service) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
	os.RemoveAll(s.data)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// do sends a request and decodes the answer, if v is not nil.
func (s *service) do(ctx context.Context, method, path string, body io.Reader, v any) error {
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if v == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

type job struct {
	ID    string
	State string
	Error struct{ Code string }
}

// submit uploads a file and returns its job.
func (s *service) submit(ctx context.Context, path string) (job, error) {
	var j job
	f, err := os.Open(path)
	if err != nil {
		return j, err
	}
	defer f.Close()
	err = s.do(ctx, "POST", "/upload?name="+filepath.Base(path), f, &j)
	return j, err
}

// wait returns when the job is done.
func (s *service) wait(ctx context.Context, id string) error {
	for {
		var j job
		if err := s.do(ctx, "GET", "/jobs/"+id, nil, &j); err != nil {
			return err
		}
		switch j.State {
		case "done":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("job %s: %s", j.State, j.Error.Code)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// peakRSS returns the most memory that the process has had, in megabytes, and
// begins counting anew.
func (s *service) peakRSS() (float64, error) {
	proc := fmt.Sprintf("/proc/%d/", s.cmd.Process.Pid)
	f, err := os.Open(proc + "status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if kB, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(kB)[0], 64)
			return n / 1000, errors.Join(err, os.WriteFile(proc+"clear_refs", []byte("5"), 0))
		}
	}
	return 0, errors.New("no VmHWM in /proc/PID/status")
}

// cpu returns the processor time that the service and its ended children have
// used: unlike wall time it does not depend on who else uses the machine.
func (s *service) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The fields count from behind the name, which may hold spaces.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// childrenCPU is the processor time of the ended children of this process.
func childrenCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
