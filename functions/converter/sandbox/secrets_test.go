//go:build linux

package sandbox_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"mp3converter/functions/converter/sandbox"
)

// The program has the variables in cmd.Env, so this process gets no others when it is
// started again to restrict itself.
func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	e := newEnvironment(t)
	for _, env := range [][]string{nil, {}, {"LC_ALL=C", "HOME=/nowhere"}} {
		cmd := exec.Command(e.probe, "environment")
		cmd.Env = env
		if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: e.dir}); err != nil {
			t.Fatal(err)
		}
		got, _ := cmd.CombinedOutput()
		if want := fmt.Sprintf("refused: %q\n", env); string(got) != want {
			t.Errorf("environment %s, want %s", got, want)
		}
	}
}

// The environment and the memory of a protected process, which hold its credentials, are
// out of reach for a program of the same user, even on a kernel that has neither
// Landlock nor seccomp.
func TestSecretsOfTheParent(t *testing.T) {
	if probe := os.Getenv("SANDBOX_TEST_PROBE"); probe != "" {
		probeParent(t, probe)
		return
	}
	e := newEnvironment(t)
	test := filepath.Join(filepath.Dir(e.probe), "test")
	copyFile(t, test, os.Args[0])
	makeReadable(e.probe)
	for _, user := range []uint32{uint32(os.Getuid()), 65532} {
		if user != uint32(os.Getuid()) && os.Getuid() != 0 {
			continue // only root can become another user
		}
		for _, oldKernel := range []string{"", "1"} {
			t.Run(fmt.Sprintf("user %d, old kernel %q", user, oldKernel), func(t *testing.T) {
				if oldKernel != "" {
					requireLayer(t, "system call filter")
				}
				cmd := exec.CommandContext(t.Context(), test, "-test.run", "^TestSecretsOfTheParent$", "-test.v")
				cmd.Dir = "/"
				cmd.Env = []string{"SECRET=hunter2", "TMPDIR=" + os.TempDir(), "SANDBOX_TEST_PROBE=" + e.probe, "SANDBOX_TEST_OLD_KERNEL=" + oldKernel}
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
				if message, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, message)
				}
			})
		}
	}
}

func probeParent(t *testing.T, probe string) {
	pid := strconv.Itoa(os.Getpid())
	actions := [][]string{
		{"read", "/proc/" + pid + "/environ"},
		{"open", "/proc/" + pid + "/mem"},
		{"read", "/proc/" + pid + "/maps"},
		{"read", "/proc/" + pid + "/auxv"},
		{"read", "/proc/" + pid + "/task/" + pid + "/environ"},
		{"open", "/proc/" + pid + "/fd/0"},
		{"list", "/proc/" + pid + "/cwd/"},
		{"peek", pid},
	}
	for _, args := range actions {
		if message, err := exec.Command(probe, args...).CombinedOutput(); err != nil {
			t.Errorf("%v of an unprotected process: %v %s", args, err, message)
		}
	}
	if err := sandbox.ProtectProcess(); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("SANDBOX_TEST_OLD_KERNEL") != "" {
		hideKernelLayers(t)
	}
	for _, args := range append(actions, []string{"nothing"}) {
		cmd := exec.Command(probe, args...)
		if err := sandbox.Wrap(cmd, sandbox.Policy{Dir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		message, err := cmd.CombinedOutput()
		if allowed := args[0] == "nothing"; (err == nil) != allowed || cmd.ProcessState.ExitCode() == sandbox.Failed {
			t.Errorf("%v: %v %s", args, err, message)
		}
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// makeReadable makes a temporary file accessible for every user.
func makeReadable(path string) {
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
}

func TestMissing(t *testing.T) {
	for _, layer := range sandbox.Missing() {
		for _, supported := range []string{"Landlock 4", "Landlock 5", "Landlock 6", "Landlock 7"} {
			if strings.Contains(layer, "Landlock") && strings.Contains(sandbox.Describe(), supported) {
				t.Errorf("missing %q, but supported: %s", layer, sandbox.Describe())
			}
		}
	}
}
