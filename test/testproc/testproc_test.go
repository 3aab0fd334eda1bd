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

// script starts a shell that starts a child, and returns the pids of both.
func script(t *testing.T, dir string) (*Process, []int) {
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
	t.Fatalf("waited too long for %s", what)
}

// gone reports whether a process has ended, a zombie that nobody has collected
// included.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestKillEndsTheChildrenToo(t *testing.T) {
	p, pids := script(t, t.TempDir())
	p.Kill()
	for _, pid := range pids {
		wait(t, "process "+strconv.Itoa(pid), func() bool { return gone(pid) })
	}
	p.Kill()
}

func TestTerminateEndsTheChildrenToo(t *testing.T) {
	p, pids := script(t, t.TempDir())
	p.Terminate(time.Minute)
	for _, pid := range pids {
		wait(t, "process "+strconv.Itoa(pid), func() bool { return gone(pid) })
	}
}

// The test runs itself in another process, which starts a server and is killed.
func TestServerDoesNotOutliveAKilledTest(t *testing.T) {
	if dir := os.Getenv("TESTPROC_DIR"); dir != "" {
		script(t, dir)
		select {}
	}
	dir := t.TempDir()
	victim := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	victim.Env = append(os.Environ(), "TESTPROC_DIR="+dir)
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []string
	wait(t, "the server", func() bool {
		b, _ := os.ReadFile(filepath.Join(dir, "log"))
		pids = strings.Fields(string(b))
		return strings.HasSuffix(string(b), "\n")
	})
	victim.Process.Kill()
	victim.Wait()
	for _, f := range pids {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "process "+f, func() bool { return gone(pid) })
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
		t.Error("the end of the server went unnoticed")
	}
}
