package sweep

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/media/disk"
)

// The bytes of an upload and of an MP3 whose writers were killed are removed once
// nothing has been written to them for the orphan age.
func TestInterruptedWritesAreRemoved(t *testing.T) {
	f := newFixture(t)
	dirs := []string{filepath.Join(t.TempDir(), "videos"), filepath.Join(t.TempDir(), "mp3")}
	var err error
	f.videos, err = disk.Open(dirs[0])
	must(t, err)
	f.audio, err = disk.Open(dirs[1])
	must(t, err)
	for _, dir := range dirs {
		for name, age := range map[string]time.Duration{"dead": 2 * f.config.OrphanAge, "slow": f.config.OrphanAge / 2} {
			path := filepath.Join(dir, id.New()+".part")
			must(t, os.WriteFile(path, []byte(name), 0o600))
			written := time.Now().Add(-age)
			must(t, os.Chtimes(path, written, written))
		}
	}
	report, err := f.RemoveOrphans(t.Context())
	must(t, err)
	if report.Orphans != 2 {
		t.Errorf("removed %d, want 2", report.Orphans)
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		must(t, err)
		if len(files) != 1 {
			t.Errorf("%s holds %v, want the file of the slow upload", filepath.Base(dir), files)
			continue
		}
		if text, err := os.ReadFile(files[0]); string(text) != "slow" || err != nil {
			t.Errorf("%s holds the file %q, %v; want that of the slow upload", filepath.Base(dir), text, err)
		}
	}
}
