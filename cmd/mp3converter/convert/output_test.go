package convert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server chooses the name of the MP3, but not the directory.
func TestNamesFromAServer(t *testing.T) {
	for name, want := range map[string]string{
		"song.mp3":               "song.mp3",
		"../../etc/cron.d/x.mp3": "x.mp3",
		`..\..\x.mp3`:            "x.mp3",
		"/etc/passwd":            "passwd",
		"..":                     "video",
		".bashrc":                "bashrc",
		"a\nb\x1b[31m.mp3":       "a b [31m.mp3",
	} {
		out := &output{outputs: newOutputs("dir", false)}
		if err := out.rename(name); err != nil || out.path != filepath.Join("dir", want) {
			t.Errorf("%q: %q, %v, want %q", name, out.path, err, want)
		}
	}
}

// A file that appears during the conversion is not overwritten either.
func TestPlaceDoesNotOverwrite(t *testing.T) {
	for _, force := range []bool{false, true} {
		dir := t.TempDir()
		out, err := newOutputs(dir, force).reserve("song.mp4")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(out.path, []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
		err = out.copyFrom(strings.NewReader("mp3"))
		want := map[bool]string{false: "other", true: "mp3"}[force]
		got, readErr := os.ReadFile(out.path)
		if (err == nil) != force || readErr != nil || string(got) != want {
			t.Errorf("force %v: error %v, file %q, %v", force, err, got, readErr)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".*")); !force && len(left) > 0 {
			t.Errorf("files left: %v", left)
		}
	}
}
