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

	"mp3converter/functions/auth/login"
	"mp3converter/shared/token"
)

// credentials is what stands behind curl's -u.
type credentials struct {
	argument string // for the shell
	note     string
}

// firstUser makes sure that somebody can log in: the user of LOCAL_USER, or one
// that is made up at the first start and whose password a file keeps.
func firstUser(ctx context.Context, cfg config, users *login.Users) (credentials, error) {
	if cfg.User != "" {
		email, password, ok := strings.Cut(cfg.User, ":")
		if !ok {
			return credentials{}, errors.New("LOCAL_USER must be email:password")
		}
		if err := users.SetPassword(ctx, email, password); err != nil {
			return credentials{}, fmt.Errorf("LOCAL_USER: %w", err)
		}
		return credentials{quote(cfg.User), "the user of LOCAL_USER"}, nil
	}
	path := filepath.Join(cfg.DataDir, "login")
	c := credentials{`"$(cat ` + quote(path) + `)"`, "made at the first start; the password is in " + path}
	switch _, err := os.Stat(path); {
	case err == nil:
		return c, nil
	case !errors.Is(err, fs.ErrNotExist):
		return c, err
	}
	const email = "me@example.com"
	password := strings.ToLower(rand.Text())
	if err := users.SetPassword(ctx, email, password); err != nil {
		return c, err
	}
	if err := os.WriteFile(path, []byte(email+":"+password), 0o600); err != nil {
		return c, err
	}
	return credentials{quote(email + ":" + password), c.note}, nil
}

// tokenKeys returns the keys of TOKEN_KEYS, or such as the first start made, so
// that tokens survive a restart.
func tokenKeys(cfg config) (token.Keys, error) {
	if cfg.Keys != "" {
		return token.ParseKeys(cfg.Keys)
	}
	path := filepath.Join(cfg.DataDir, "token.keys")
	kept, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var key [32]byte
		rand.Read(key[:])
		kept = []byte("local:" + base64.StdEncoding.EncodeToString(key[:]))
		err = os.WriteFile(path, kept, 0o600)
	}
	if err != nil {
		return token.Keys{}, err
	}
	return token.ParseKeys(string(kept))
}

// welcome tells how to use what has just been started.
func welcome(address string, c credentials) string {
	url := "http://" + strings.Replace(address, "127.0.0.1", "localhost", 1)
	return fmt.Sprintf(`
  mp3converter is ready at %[1]s

  log in as %[2]s
  (%[3]s)

  TOKEN=$(curl -s -X POST -u %[2]s %[1]s/login)
  ID=$(curl -s -F 'file=@video.mp4' -H "Authorization: Bearer $TOKEN" %[1]s/upload | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
  curl -OJ -H "Authorization: Bearer $TOKEN" "%[1]s/download?fid=$ID&wait=240"

`, url, c.argument, c.note)
}

// quote makes s one word of the shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
