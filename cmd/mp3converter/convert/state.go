package convert

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mp3converter/shared/client"
)

// savedFor is how long an interrupted upload can be continued at most; the server may
// have deleted it earlier.
const savedFor = 7 * 24 * time.Hour

// uploads are the uploads of one account that were interrupted, one small file each in the
// user's cache directory.
type uploads struct {
	dir             string // "" if there is no such directory
	server, account string
}

func openUploads(c *client.Client) *uploads {
	u := &uploads{server: c.BaseURL, account: subject(c.Token)}
	cache, err := os.UserCacheDir()
	if err == nil {
		u.dir = filepath.Join(cache, "mp3converter", "uploads")
		err = os.MkdirAll(u.dir, 0o700)
	}
	if err != nil {
		slog.Warn("interrupted uploads cannot be continued later", "error", err)
		u.dir = ""
		return u
	}
	u.removeExpired()
	return u
}

// subject returns the user's ID in a token. Only the server can verify it.
func subject(token string) string {
	var claims struct{ Sub string }
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(text, &claims) == nil && claims.Sub != "" {
			return claims.Sub
		}
	}
	return token // only its hash is stored
}

func (u *uploads) removeExpired() {
	entries, _ := os.ReadDir(u.dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > savedFor {
			os.Remove(filepath.Join(u.dir, e.Name()))
		}
	}
}

// savedUpload is the state of one upload. Its file is locked while the process uses it.
type savedUpload struct {
	Key    string `json:"key,omitempty"`    // of the request that creates the upload
	Upload string `json:"upload,omitempty"` // the ID of the upload
	Job    string `json:"job,omitempty"`    // once the upload is complete

	Resumed bool     `json:"-"` // an earlier process has left it
	file    *os.File // nil if nothing can be saved
}

// open returns what is saved of the upload of a file with the given options. It is the
// same upload only while the content of the file has not changed.
func (u *uploads) open(in *source, options map[string]string) (*savedUpload, error) {
	saved := &savedUpload{}
	if u.dir == "" {
		return saved, nil
	}
	path, err := filepath.Abs(in.path)
	if err != nil {
		return nil, err
	}
	key, err := json.Marshal([]any{u.server, u.account, path, in.info.Size(), in.info.ModTime().UnixNano(), options})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(key)
	f, err := os.OpenFile(filepath.Join(u.dir, hex.EncodeToString(sum[:16])+".json"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, &fileError{"in_progress", fmt.Errorf("another mp3converter is uploading %s", in.path)}
	}
	saved.file = f
	text, err := io.ReadAll(f)
	if err == nil && json.Unmarshal(text, saved) == nil {
		saved.Resumed = saved.Upload != ""
	}
	return saved, err
}

// save writes the state. What is lost in a power failure is uploaded again.
func (s *savedUpload) save() error {
	if s.file == nil {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := s.file.Truncate(0); err != nil {
		return err
	}
	_, err = s.file.WriteAt(text, 0)
	return err
}

// reset forgets the upload, so that another one is created.
func (s *savedUpload) reset() { s.Key, s.Upload, s.Job, s.Resumed = "", "", "", false }

// remove deletes the state of an upload that is done.
func (s *savedUpload) remove() {
	if s.file != nil {
		os.Remove(s.file.Name())
	}
}

func (s *savedUpload) close() {
	if s.file != nil {
		if s.Key == "" { // nothing was saved
			s.remove()
		}
		s.file.Close()
	}
}
