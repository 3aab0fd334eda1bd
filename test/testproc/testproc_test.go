package testproc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startShell starts a shell that starts a child, and returns the pids of both.
func startShell(t *testing.T, dir string) (*Process, []int) {
	t.Helper()
	log := filepath.Join(dir, "log")
	p, err := Start(log, nil, "/bin/sh", "-c", `sleep 600 & echo "$$ $!"; wait`)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	wait(t, "the pids", func() bool {
		b, _ := os.ReadFile(log)
		if !strings.HasSuffix(string(b), "\n") {
			return false
		}
		for _, f := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		return true
	})
	return p, pids
}

func wait(t *testing.T, what string, until func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if until() {
			return
		}
	}
	t.Fatalf("timed out waiting for %s", what)
}

// exited reports whether a process has exited. A zombie has.
func exited(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestKillIncludesChildren(t *testing.T) {
	p, pids := startShell(t, t.TempDir())
	p.Kill()
	for _, pid := range pids {
		wait(t, "process "+strconv.Itoa(pid), func() bool { return exited(pid) })
	}
	p.Kill()
}

func TestTerminateIncludesChildren(t *testing.T) {
	p, pids := startShell(t, t.TempDir())
	p.Terminate(time.Minute)
	for _, pid := range pids {
		wait(t, "process "+strconv.Itoa(pid), func() bool { return exited(pid) })
	}
}

// The test runs itself in another process, which starts a server, and kills that
// process.
func TestServerIsKilledWithTest(t *testing.T) {
	if dir := os.Getenv("TESTPROC_DIR"); dir != "" {
		startShell(t, dir)
		select {}
	}
	dir := t.TempDir()
	testProcess := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	testProcess.Env = append(os.Environ(), "TESTPROC_DIR="+dir)
	if err := testProcess.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []string
	wait(t, "the server", func() bool {
		b, _ := os.ReadFile(filepath.Join(dir, "log"))
		pids = strings.Fields(string(b))
		return strings.HasSuffix(string(b), "\n")
	})
	testProcess.Process.Kill()
	testProcess.Wait()
	for _, f := range pids {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "process "+f, func() bool { return exited(pid) })
	}
}

func TestExited(t *testing.T) {
	p, err := Start(filepath.Join(t.TempDir(), "log"), nil, "/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	select {
	case <-p.Exited():
	case <-time.After(time.Minute):
		t.Error("Exited was not closed")
	}
}
