package outages

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mp3converter/test/faults/service"
)

func TestLaptop(t *testing.T) {
	dir := t.TempDir()
	ffmpeg := fakes(t)
	s := service.StartLaptop(t, service.Build(t), service.Laptop{DataDir: dir, Env: []string{"FFMPEG=" + ffmpeg.link}})
	u := join(t, s)
	const program = "mp3converter"
	mp3s := filepath.Join(dir, "mp3")
	awayFor := 20 * time.Second // longer than eight deliveries of a message
	if !all {
		awayFor = 5 * time.Second
	}
	away := fault{
		name: "one program: the MP3s' directory is away", during: awayFor,
		inject: func(t *testing.T) { rename(t, mp3s, mp3s+".away") },
		heal:   func(t *testing.T) { rename(t, mp3s+".away", mp3s) },
	}
	ledgers := []*service.Ledger{away.run(t, s, u)}
	if !all {
		ledgers[0].Save(t)
		return
	}
	for _, f := range []fault{
		kill(s, "one program: killed at random", 25*time.Second, program),
		{
			name: "one program: ffmpeg hangs until the program is killed", during: 5 * time.Second,
			inject: func(t *testing.T) { ffmpeg.use(t, "hung") },
			heal:   func(t *testing.T) { ffmpeg.use(t, "ffmpeg-real"); s.Processes[program].Kill() },
		},
		{
			name: "one program: ffmpeg is killed each time", during: 5 * time.Second,
			inject: func(t *testing.T) { ffmpeg.use(t, "killed") },
			heal:   func(t *testing.T) { ffmpeg.use(t, "ffmpeg-real") },
		},
		{
			name: "one program: ffmpeg writes rubbish", during: 5 * time.Second,
			inject: func(t *testing.T) { ffmpeg.use(t, "rubbish") },
			heal:   func(t *testing.T) { ffmpeg.use(t, "ffmpeg-real") },
		},
	} {
		t.Run(f.name, func(t *testing.T) { ledgers = append(ledgers, f.run(t, s, u)) })
	}
	s.Finish(t, ledgers...)
}

// TestFullDisks fills small file systems, each of which holds one kind of data.
func TestFullDisks(t *testing.T) {
	if !all {
		t.Skip("FAULTS=all is not set")
	}
	dir, temp := t.TempDir(), t.TempDir()
	disks := []struct{ name, path string }{
		{"database", dir}, {"videos", filepath.Join(dir, "videos")}, {"MP3s", filepath.Join(dir, "mp3")}, {"temporary files", temp},
	}
	for _, d := range disks {
		mount(t, d.path)
	}
	s := service.StartLaptop(t, service.Build(t), service.Laptop{DataDir: dir, Env: []string{"TEMP_DIR=" + temp, "MIN_FREE_BYTES=0"}})
	s.TempDir = temp
	u := join(t, s)
	var ledgers []*service.Ledger
	for _, d := range disks {
		filler := filepath.Join(d.path, "filler")
		for _, space := range []struct {
			name  string
			bytes int64
		}{{"no space", 0}, {"space for half an MP3", 20 << 10}} {
			full := fault{
				name: "one program: " + space.name + " for the " + d.name, during: 10 * time.Second,
				inject: func(t *testing.T) { fill(t, filler, space.bytes) },
				heal: func(t *testing.T) {
					if err := os.Remove(filler); err != nil {
						t.Error(err)
					}
				},
			}
			t.Run(full.name, func(t *testing.T) { ledgers = append(ledgers, full.run(t, s, u)) })
		}
	}
	s.Finish(t, ledgers...)
}

// mount mounts a small file system until the test ends.
func mount(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size=16m"); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("mounting a small file system is not permitted: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill writes a file until there is no space, and cuts bytes off, which is then the space.
func fill(t *testing.T, path string, space int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	written := int64(0)
	for block := make([]byte, 4096); err == nil; {
		var n int
		n, err = f.Write(block)
		written += int64(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("fill %s: %v", path, err)
	}
	if err := f.Truncate(written - space); err != nil {
		t.Error(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Error(err)
	}
}

// programs are a real ffmpeg and the broken ones, and a link to one of them.
type programs struct{ dir, link string }

func fakes(t *testing.T) programs {
	t.Helper()
	p := programs{dir: t.TempDir()}
	p.link = filepath.Join(p.dir, "ffmpeg")
	fake := filepath.Join(p.dir, "hung")
	build := exec.Command("go", "build", "-o", fake, "mp3converter/test/faults/fakeffmpeg")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"killed", "rubbish"} {
		if err := os.Link(fake, filepath.Join(p.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(ffmpeg, filepath.Join(p.dir, "ffmpeg-real")); err != nil {
		t.Fatal(err)
	}
	p.use(t, "ffmpeg-real")
	return p
}

// use lets the link point to one of the programs.
func (p programs) use(t *testing.T, name string) {
	t.Helper()
	next := p.link + ".next"
	if err := os.Symlink(name, next); err != nil {
		t.Fatal(err)
	}
	rename(t, next, p.link)
}
