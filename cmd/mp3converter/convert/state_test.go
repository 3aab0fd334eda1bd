package convert

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/shared/client"
)

const tokenOfAnna = "e30.eyJzdWIiOiJhbm5hIn0.x" // {"sub":"anna"}

// An interrupted upload is found again for the same file, options, server and account
// only.
func TestSavedUploads(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	path := filepath.Join(t.TempDir(), "video.mp4")
	content := func(s string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	content("video", begun)
	open := func(server, token string, options map[string]string) *savedUpload {
		t.Helper()
		in, err := openSource(path)
		if err != nil {
			t.Fatal(err)
		}
		defer in.file.Close()
		saved, err := openUploads(&client.Client{BaseURL: server, Token: token}).open(in, options)
		if err != nil {
			t.Fatal(err)
		}
		return saved
	}
	first := open("http://a", tokenOfAnna, map[string]string{"bitrate": "64"})
	first.Key, first.Upload = "key", "upload"
	if err := first.save(); err != nil {
		t.Fatal(err)
	}
	first.close()

	tests := []struct {
		name, server, token, bitrate string
		content                      string
		at                           time.Time
		want                         string
	}{
		{"the same", "http://a", tokenOfAnna, "64", "video", begun, "upload"},
		{"a newer token of the same user", "http://a", "e30.eyJzdWIiOiJhbm5hIn0.y", "64", "video", begun, "upload"},
		{"another server", "http://b", tokenOfAnna, "64", "video", begun, ""},
		{"another account", "http://a", "e30.eyJzdWIiOiJiZW4ifQ.x", "64", "video", begun, ""},
		{"another option", "http://a", tokenOfAnna, "128", "video", begun, ""},
		{"another size", "http://a", tokenOfAnna, "64", "longer video", begun, ""},
		{"another time", "http://a", tokenOfAnna, "64", "video", begun.Add(time.Second), ""},
	}
	for _, test := range tests {
		content(test.content, test.at)
		saved := open(test.server, test.token, map[string]string{"bitrate": test.bitrate})
		if saved.Upload != test.want || saved.Resumed != (test.want != "") {
			t.Errorf("%s: upload %q, want %q", test.name, saved.Upload, test.want)
		}
		saved.close()
	}
}

// What has expired is deleted.
func TestExpiredUploads(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	u := openUploads(&client.Client{})
	for name, age := range map[string]time.Duration{"old.json": savedFor + time.Hour, "new.json": savedFor - time.Hour} {
		path := filepath.Join(u.dir, name)
		at := time.Now().Add(-age)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	u.removeExpired()
	if left, _ := filepath.Glob(filepath.Join(u.dir, "*")); len(left) != 1 || filepath.Base(left[0]) != "new.json" {
		t.Errorf("left: %v", left)
	}
}
