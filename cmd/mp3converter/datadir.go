package main

import (
	"bytes"
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
	text, err := keysFile(filepath.Join(cfg.DataDir, "token.keys"), "all users must log in again")
	if err != nil {
		return token.Keys{}, err
	}
	return token.ParseKeys(text)
}

// linkKeys does the same for LINK_KEYS, so that links survive a restart.
func linkKeys(cfg config) (string, error) {
	if cfg.API.Links.Keys != "" {
		return cfg.API.Links.Keys, nil
	}
	return keysFile(filepath.Join(cfg.DataDir, "link.keys"), "links made before are invalid")
}

// keysFile returns the keys in a file, which it creates at the first start. The error says
// what happens if the file is deleted.
func keysFile(path, ifDeleted string) (string, error) {
	text, err := readUnlessEmpty(path)
	if errors.Is(err, fs.ErrNotExist) {
		var key [32]byte
		rand.Read(key[:])
		text = "local:" + base64.StdEncoding.EncodeToString(key[:])
		err = writeFile(path, []byte(text))
	}
	if err != nil {
		return "", err
	}
	if _, err := token.ParseKeys(text); err != nil {
		return "", fmt.Errorf("%s: %w; restore the file, or delete it, after which %s", path, err, ifDeleted)
	}
	return text, nil
}

// readUnlessEmpty returns the text of a file, without line breaks at the end. A file that
// is empty, or consists of zero bytes after a power failure, does not exist for it: the
// process died while it created the file.
func readUnlessEmpty(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err == nil && len(bytes.Trim(content, "\x00")) == 0 {
		err = fs.ErrNotExist
	}
	return strings.TrimRight(string(content), "\r\n"), err
}

// initialLogin is the login that the welcome text shows.
type initialLogin struct {
	argument string // of curl -u, quoted for the shell
	note     string
}

// ensureUser creates the user of LOCAL_USER, or sets that user's password. Without
// LOCAL_USER it does so for the login in a file, which it generates at the first start.
// The file is written before the user is stored: a start after a crash finds it and
// stores the user.
func ensureUser(ctx context.Context, cfg config, users *login.Users) (initialLogin, error) {
	credentials, source := cfg.User, "LOCAL_USER"
	l := initialLogin{shellQuote(cfg.User), "the user of LOCAL_USER"}
	if cfg.User == "" {
		source = filepath.Join(cfg.DataDir, "login")
		l = initialLogin{`"$(cat ` + shellQuote(source) + `)"`, "generated at the first start; the password is in " + source}
		var err error
		credentials, err = readUnlessEmpty(source)
		if errors.Is(err, fs.ErrNotExist) || err == nil && truncatedLogin(credentials) {
			credentials = generatedUser + strings.ToLower(rand.Text())
			l.argument = shellQuote(credentials)
			err = writeFile(source, []byte(credentials))
		}
		if err != nil {
			return initialLogin{}, err
		}
	}
	email, password, ok := strings.Cut(credentials, ":")
	if !ok {
		return initialLogin{}, fmt.Errorf("%s must be email:password", source)
	}
	if err := users.SetPassword(ctx, email, password); err != nil {
		return initialLogin{}, fmt.Errorf("%s: %w", source, err)
	}
	return l, nil
}

const generatedUser = "me@example.com:"

// truncatedLogin reports whether a generated login is incomplete, as a crash of an earlier
// version may have left it. Nobody can have used it: its password is too short.
func truncatedLogin(s string) bool {
	return strings.HasPrefix(generatedUser, s) ||
		strings.HasPrefix(s, generatedUser) && len(s) < len(generatedUser)+login.MinPassword
}
