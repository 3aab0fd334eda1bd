package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kelseyhightower/envconfig"

	"mp3converter/functions/auth/login"
	"mp3converter/shared/token"
)

// leftovers are the contents that an interrupted write of an earlier version may leave
// in a file. Nothing can depend on such a file yet.
var leftovers = map[string]string{
	"empty":      "",
	"zero bytes": strings.Repeat("\x00", 50), // after a power failure
}

func TestTokenKeysAfterInterruptedWrite(t *testing.T) {
	for name, content := range leftovers {
		t.Run(name, func(t *testing.T) {
			cfg := config{DataDir: t.TempDir()}
			writeTestFile(t, filepath.Join(cfg.DataDir, "token.keys"), content)
			checkKeysPersist(t, cfg)
		})
	}
}

// A damaged key may have signed tokens, so it is not replaced silently.
func TestDamagedTokenKeys(t *testing.T) {
	cfg := config{DataDir: t.TempDir()}
	path := filepath.Join(cfg.DataDir, "token.keys")
	const damaged = "local:c2hvcnQ="
	writeTestFile(t, path, damaged)
	_, err := tokenKeys(cfg)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("error %v, want one with the path and what to do", err)
	}
	if got := readTestFile(t, path); got != damaged {
		t.Errorf("the file was changed to %q", got)
	}
}

func TestLoginAfterInterruptedWrite(t *testing.T) {
	cases := map[string]string{
		"part of the address":  "me@exa",
		"part of the password": "me@example.com:abcdefg",
	}
	for name, content := range leftovers {
		cases[name] = content
	}
	for name, content := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeTestFile(t, filepath.Join(dir, "login"), content)
			// Earlier versions stored the user first.
			if err := openUsers(t, dir).SetPassword(t.Context(), "me@example.com", "a lost password"); err != nil {
				t.Fatal(err)
			}
			checkLogin(t, dir)
		})
	}
}

// A file that the operator has edited is used, or named in an error, but never replaced.
func TestEditedLogin(t *testing.T) {
	for content, works := range map[string]bool{
		"anna@example.com:my own password\n": true,
		"me@example.com:my own password":     true,
		"anna@example.com:short":             false,
		"anna@example.com":                   false,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "login")
		writeTestFile(t, path, content)
		if works {
			checkLogin(t, dir)
		} else if _, err := ensureUser(t.Context(), config{DataDir: dir}, openUsers(t, dir)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: error %v, want one with the path", content, err)
		}
		if got := readTestFile(t, path); got != content {
			t.Errorf("%q was replaced by %q", content, got)
		}
	}
}

// The process may die after every step of the write, and within the first.
func TestWriteInterrupted(t *testing.T) {
	newKeys := []byte("local:" + strings.Repeat("A", 43) + "=")
	newLogin := []byte("me@example.com:a new password")
	for died := range len(writeSteps("", nil)) + 1 {
		dir := t.TempDir()
		run := func(name string, content []byte) {
			for _, step := range writeSteps(filepath.Join(dir, name), content)[:died] {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
		}
		run("token.keys", newKeys)
		run("login", newLogin)
		checkKeysPersist(t, config{DataDir: dir})
		checkLogin(t, dir)
	}
	for size := range newLogin {
		dir := t.TempDir()
		writeTestFile(t, filepath.Join(dir, "token.keys.tmp"), string(newKeys[:size]))
		writeTestFile(t, filepath.Join(dir, "login.tmp"), string(newLogin[:size]))
		checkKeysPersist(t, config{DataDir: dir})
		if size == len(newLogin)/2 { // for every size it would take too long
			checkLogin(t, dir)
		}
	}
}

// A reader of the name sees the old content or the new one: the write never opens the
// file itself.
func TestWriteReplacesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	writeTestFile(t, path, "old")
	before, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := writeFile(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	var old bytes.Buffer
	if _, err := old.ReadFrom(before); err != nil || old.String() != "old" {
		t.Errorf("the old file was changed to %q, %v", &old, err)
	}
	if got := readTestFile(t, path); got != "new" {
		t.Errorf("content %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if names, _ := filepath.Glob(path + "*"); len(names) != 1 {
		t.Errorf("files left: %v", names)
	}
}

// The file is written before the user is stored, so a start that finds the file must
// store the user.
func TestDeathBetweenFileAndUser(t *testing.T) {
	for name, stored := range map[string]string{"no user": "", "user with another password": "another password"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeTestFile(t, filepath.Join(dir, "login"), "me@example.com:a new password")
			if stored != "" {
				if err := openUsers(t, dir).SetPassword(t.Context(), "me@example.com", stored); err != nil {
					t.Fatal(err)
				}
			}
			checkLogin(t, dir)
		})
	}
}

// checkKeysPersist checks that two starts use the same key.
func checkKeysPersist(t *testing.T, cfg config) {
	t.Helper()
	first, err := tokenKeys(cfg)
	if err != nil {
		t.Fatalf("first start: %v", err)
	}
	raw, _, err := first.Issue("user", "", time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	second, err := tokenKeys(cfg)
	if err != nil {
		t.Fatalf("second start: %v", err)
	}
	if _, err := second.Verify(raw, time.Now()); err != nil {
		t.Errorf("a token of the first start is rejected by the second: %v", err)
	}
}

// Links are signed by keys of their own, which survive a restart.
func TestLinkKeys(t *testing.T) {
	cfg := config{DataDir: t.TempDir()}
	if _, err := tokenKeys(cfg); err != nil {
		t.Fatal(err)
	}
	first, err := linkKeys(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := linkKeys(cfg); err != nil || second != first {
		t.Errorf("second start: %v, the same keys: %v", err, second == first)
	}
	if first == readTestFile(t, filepath.Join(cfg.DataDir, "token.keys")) {
		t.Error("links and tokens have the same key")
	}
	path := filepath.Join(cfg.DataDir, "link.keys")
	writeTestFile(t, path, "local:c2hvcnQ=")
	if _, err := linkKeys(cfg); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged file: error %v, want one with the path", err)
	}
	cfg.API.Links.Keys = "k:x"
	if got, err := linkKeys(cfg); got != "k:x" || err != nil {
		t.Errorf("with LINK_KEYS: %q, %v", got, err)
	}
}

// checkLogin starts twice and checks that the file then holds a working login.
func checkLogin(t *testing.T, dir string) {
	t.Helper()
	users := openUsers(t, dir)
	var credentials [2]string
	for start := range credentials {
		if _, err := ensureUser(t.Context(), config{DataDir: dir}, users); err != nil {
			t.Fatalf("start %d: %v", start+1, err)
		}
		credentials[start] = strings.TrimSpace(readTestFile(t, filepath.Join(dir, "login")))
	}
	if credentials[0] != credentials[1] {
		t.Errorf("the second start changed the login from %q to %q", credentials[0], credentials[1])
	}
	if status := logIn(t, users, credentials[1]); status != 200 {
		t.Errorf("a login with %q gets status %d", credentials[1], status)
	}
}

func openUsers(t *testing.T, dir string) *login.Users {
	t.Helper()
	users, err := login.OpenSQLite(t.Context(), filepath.Join(dir, "users.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { users.Close() })
	return users
}

func writeTestFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readTestFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func logIn(t *testing.T, users *login.Users, credentials string) int {
	t.Helper()
	var cfg login.Config
	if err := envconfig.Process("", &cfg); err != nil {
		t.Fatal(err)
	}
	keys, err := token.ParseKeys("k:" + strings.Repeat("A", 43) + "=")
	if err != nil {
		t.Fatal(err)
	}
	h, err := login.New(cfg, users, keys)
	if err != nil {
		t.Fatal(err)
	}
	email, password, _ := strings.Cut(credentials, ":")
	r := httptest.NewRequest("POST", "/login", nil)
	r.SetBasicAuth(email, password)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// The content is on the disk before the file gets its name, and the name before writeFile
// returns.
func TestWriteSurvivesPowerFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var synced []string
	fsync = func(f *os.File) error {
		synced = append(synced, f.Name())
		if _, err := os.Stat(path); (err == nil) != (f.Name() == dir) {
			t.Errorf("sync of %s: the file is in place: %v", f.Name(), err == nil)
		}
		return nil
	}
	defer func() { fsync = (*os.File).Sync }()
	if err := writeFile(path, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if want := []string{path + ".tmp", dir}; !slices.Equal(synced, want) {
		t.Errorf("synced %v, want %v", synced, want)
	}
}
