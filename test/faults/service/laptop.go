package service

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/shared/jobs/sqlite"
	"mp3converter/shared/media"
	"mp3converter/shared/media/disk"
	"mp3converter/test/testproc"
)

// Laptop configures StartLaptop.
type Laptop struct {
	Crashing bool
	DataDir  string   // a new one if empty
	Env      []string // in addition
}

// StartLaptop runs the program of one machine, with SQLite and files, until the test
// ends.
func StartLaptop(t testing.TB, p Programs, cfg Laptop) *Service {
	t.Helper()
	s, env := newService(t)
	if cfg.DataDir == "" {
		cfg.DataDir = t.TempDir()
	}
	s.TempDir = filepath.Join(cfg.DataDir, "tmp")
	port := testproc.FreePorts(t, 1)[0]
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	program, source := "mp3converter", "cmd/mp3converter"
	if cfg.Crashing {
		program, source = crashing, crashing
	}
	p.build(t, source)
	main := startProcess(t, &Process{
		Name: "mp3converter", url: s.URL, log: filepath.Join(s.Control.Dir, "mp3converter.log"), pause: 100 * time.Millisecond, args: []string{p.path(program)},
		env: append(append(env, "DATA_DIR="+cfg.DataDir, "LOCAL_USER=me@example.com:correct horse", fmt.Sprint("PORT=", port), "CONVERSIONS=2"), cfg.Env...),
	})
	s.Processes[main.Name] = main
	s.WaitReady(t)

	records, err := sqlite.Open(filepath.Join(cfg.DataDir, "mp3converter.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	s.Jobs = records
	videos, err := disk.Open(filepath.Join(cfg.DataDir, "videos"))
	if err != nil {
		t.Fatal(err)
	}
	audio, err := disk.Open(filepath.Join(cfg.DataDir, "mp3"))
	if err != nil {
		t.Fatal(err)
	}
	s.Videos, s.Audio = videos, audio
	s.backdate = func(_ context.Context, store media.Store, o media.Object) error {
		dir := "videos"
		if store == media.Store(audio) {
			dir = "mp3"
		}
		description, err := json.Marshal(o)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(cfg.DataDir, dir, o.ID+".json"), description, 0o600)
	}
	s.queued = func() (int, error) { return 0, nil } // in the memory of the process
	s.removeOrphans = func(ctx context.Context) error {
		main.Kill() // the janitor removes orphans at every start
		if err := main.waitReady(ctx); err != nil {
			return err
		}
		// The program is ready before its janitor has finished.
		for deadline := time.Now().Add(leftoverTimeout); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			parts, err := filepath.Glob(filepath.Join(cfg.DataDir, "*", "*.part"))
			if err != nil || len(parts) == 0 {
				return err
			}
		}
		return nil // they are counted as left over
	}
	return s
}
