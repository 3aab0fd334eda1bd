package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mp3converter/functions/auth/login"
	"mp3converter/shared/token"
)

// lockDataDir creates the data directory and locks it against other processes
// until the returned function is called.
func lockDataDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is in use by another process; set DATA_DIR to another directory", dir)
	}
	return func() { f.Close() }, nil
}

// makeTempDir returns an empty directory for temporary files below the data
// directory. It deletes what a killed process left there.
func makeTempDir(dataDir string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(dataDir, "tmp"))
	if err != nil {
		return "", fmt.Errorf("DATA_DIR: %w", err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return "", fmt.Errorf("DATA_DIR: %w", err)
	}
	return dir, nil
}

// tokenKeys returns the keys of TOKEN_KEYS, or the key generated at the first
// start, so that tokens survive a restart.
func tokenKeys(cfg config) (token.Keys, error) {
	if cfg.Keys != "" {
		return token.ParseKeys(cfg.Keys)
	}
	path := filepath.Join(cfg.DataDir, "token.keys")
	keys, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var key [32]byte
		rand.Read(key[:])
		keys = []byte("local:" + base64.StdEncoding.EncodeToString(key[:]))
		err = os.WriteFile(path, keys, 0o600)
	}
	if err != nil {
		return token.Keys{}, err
	}
	return token.ParseKeys(string(keys))
}

// initialLogin is the login that the welcome text shows.
type initialLogin struct {
	argument string // of curl -u, quoted for the shell
	note     string
}

// ensureUser creates the user of LOCAL_USER. Without one it creates a user with
// a generated password at the first start and keeps both in a file.
func ensureUser(ctx context.Context, cfg config, users *login.Users) (initialLogin, error) {
	if cfg.User != "" {
		email, password, ok := strings.Cut(cfg.User, ":")
		if !ok {
			return initialLogin{}, errors.New("LOCAL_USER must be email:password")
		}
		if err := users.SetPassword(ctx, email, password); err != nil {
			return initialLogin{}, fmt.Errorf("LOCAL_USER: %w", err)
		}
		return initialLogin{shellQuote(cfg.User), "the user of LOCAL_USER"}, nil
	}
	path := filepath.Join(cfg.DataDir, "login")
	l := initialLogin{`"$(cat ` + shellQuote(path) + `)"`, "generated at the first start; the password is in " + path}
	switch _, err := os.Stat(path); {
	case err == nil:
		return l, nil
	case !errors.Is(err, fs.ErrNotExist):
		return l, err
	}
	const email = "me@example.com"
	password := strings.ToLower(rand.Text())
	if err := users.SetPassword(ctx, email, password); err != nil {
		return l, err
	}
	if err := os.WriteFile(path, []byte(email+":"+password), 0o600); err != nil {
		return l, err
	}
	return initialLogin{shellQuote(email + ":" + password), l.note}, nil
}
