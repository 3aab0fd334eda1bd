package convert

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
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

// A directory is not overwritten, which is noticed before the conversion.
func TestOutputIsADirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a.mp3"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := newOutputs(dir, true).reserve("a.mp4")
	var file *fileError
	if !errors.As(err, &file) || file.code != "output_exists" || !strings.HasSuffix(err.Error(), "a.mp3 is a directory") {
		t.Errorf("error %v", err)
	}
}

// An MP3 that could not be written completely is not placed, and nothing remains of it.
func TestIncompleteOutput(t *testing.T) {
	dir := t.TempDir()
	out, err := newOutputs(dir, false).reserve("a.mp4")
	if err != nil {
		t.Fatal(err)
	}
	lost := errors.New("lost")
	if err := out.copyFrom(io.MultiReader(strings.NewReader("beginning"), iotest.ErrReader(lost))); !errors.Is(err, lost) {
		t.Errorf("error %v, want %v", err, lost)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

// Symbolic links are replaced, not followed.
func TestOutputDoesNotFollowLinks(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := newOutputs(dir, true).reserve("a.mp4")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{out.path, out.partPath("id")} {
		if err := os.Symlink(other, link); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := out.openPart("id"); err == nil {
		f.Close()
		t.Error("a part that is a link was opened")
	}
	if err := out.copyFrom(strings.NewReader("mp3")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(out.path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the MP3 is %v, %v", info, err)
	}
	if content, err := os.ReadFile(other); string(content) != "other" {
		t.Errorf("the other file has %q, %v", content, err)
	}
}
