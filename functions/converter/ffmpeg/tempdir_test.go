package ffmpeg

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// What a killed process left in TEMP_DIR is removed by the next one that starts; what
// belongs to a running process stays.
func TestFilesOfKilledProcess(t *testing.T) {
	if parent := os.Getenv("TEMPDIR_TEST_PARENT"); parent != "" {
		leaveFiles(t, parent)
		return
	}
	parent := t.TempDir()
	killed, running := startOther(t, parent), startOther(t, parent)
	killed.kill(t)
	other := filepath.Join(parent, "mp3converter-other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	newConverter(t, func(cfg *Config) { cfg.TempDir = parent })
	for path, want := range map[string]bool{killed.dir: false, running.dir: true, other: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s exists: %t, want %t", filepath.Base(path), err == nil, want)
		}
	}
	running.kill(t)
	newConverter(t, func(cfg *Config) { cfg.TempDir = parent })
	if left, err := os.ReadDir(parent); err != nil || len(left) != 1 || left[0].Name() != filepath.Base(other) {
		t.Errorf("left: %v, %v", left, err)
	}
}

// leaveFiles runs in another process, until it is killed.
func leaveFiles(t *testing.T, parent string) {
	dir, err := newTempDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir.path, "out.mp3"), []byte("half an MP3"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString(dir.path + "\n")
	time.Sleep(time.Minute)
	dir.remove()
}

type otherProcess struct {
	cmd *exec.Cmd
	dir string
}

func startOther(t *testing.T, parent string) otherProcess {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestFilesOfKilledProcess$")
	cmd.Env = append(os.Environ(), "TEMPDIR_TEST_PARENT="+parent)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _, err := bufio.NewReader(out).ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	return otherProcess{cmd, string(line)}
}

func (p otherProcess) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait()
}

// Processes that start at the same time do not remove each other's directories.
func TestTempDirsAreNotRemovedWhenNew(t *testing.T) {
	parent := t.TempDir()
	var creators, cleaner sync.WaitGroup
	stop := make(chan struct{})
	cleaner.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := removeAbandoned(parent); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 4 {
		creators.Go(func() {
			for range 200 {
				dir, err := newTempDir(parent)
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir.path, "out.mp3"), nil, 0o600); err != nil {
					t.Errorf("the directory was removed: %v", err)
				}
				dir.remove()
			}
		})
	}
	creators.Wait()
	close(stop)
	cleaner.Wait()
}
