// Package samples generates the videos of tests and benchmarks with ffmpeg, when they
// are needed, and caches them. The repository contains no recordings.
package samples

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Spec describes a video. A zero field has the default given in its comment.
type Spec struct {
	Name    string   // file name; the extension determines the container
	Seconds float64  // 3
	Rate    int      // sample rate in Hz: 44100
	Layout  string   // stereo
	Video   string   // encoder and options: small H.264; "none" for none
	Audio   string   // encoder and options: AAC at 128 kbit/s; "none" for none
	Format  []string // additional output options
	Tags    map[string]string
	Picture string // picture size: 320x180
}

// Path puts the video into dir, as a link to the user's cache, and returns its path. It
// generates videos that are not in the cache.
func (s Spec) Path(dir string) (string, error) {
	out := filepath.Join(dir, s.Name)
	args := s.args()
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(args, "\x00")))
	cached := filepath.Join(cache, hex.EncodeToString(sum[:8])+filepath.Ext(s.Name))
	if _, err := os.Stat(cached); err != nil {
		if err := generate(args, cached); err != nil {
			return "", fmt.Errorf("generate %s: %w", s.Name, err)
		}
	}
	os.Remove(out)
	if err := os.Link(cached, out); err == nil {
		return out, nil
	}
	return out, os.Symlink(cached, out)
}

// Read returns the content of the video, which it puts into dir.
func (s Spec) Read(dir string) ([]byte, error) {
	path, err := s.Path(dir)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// generate writes to a temporary file first, because tests of several packages may
// generate the same sample at the same time.
func generate(args []string, path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-*"+filepath.Ext(path))
	if err != nil {
		return err
	}
	f.Close()
	defer os.Remove(f.Name())
	cmd := exec.Command("ffmpeg", append(args, f.Name())...)
	if message, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg: %w: %s", err, message)
	}
	return os.Rename(f.Name(), path)
}

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "mp3converter-samples")
	return dir, os.MkdirAll(dir, 0o755)
}

func (s Spec) args() []string {
	if s.Seconds == 0 {
		s.Seconds = 3
	}
	if s.Rate == 0 {
		s.Rate = 44100
	}
	if s.Layout == "" {
		s.Layout = "stereo"
	}
	if s.Video == "" {
		s.Video = "libx264 -preset ultrafast -pix_fmt yuv420p"
	}
	if s.Audio == "" {
		s.Audio = "aac -b:a 128k"
	}
	if s.Picture == "" {
		s.Picture = "320x180"
	}
	args := []string{"-hide_banner", "-v", "error", "-nostdin", "-y"}
	if s.Video != "none" {
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%s:rate=25:duration=%g", s.Picture, s.Seconds))
	}
	if s.Audio != "none" {
		// Chords and noise are harder to encode than silence or a pure tone.
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf(
			"aevalsrc=exprs=0.2*sin(2*PI*220*t)+0.15*sin(2*PI*277*t)+0.1*sin(2*PI*(330+40*sin(t))*t)+0.05*(random(0)-0.5):s=%d:d=%g,aformat=channel_layouts=%s",
			s.Rate, s.Seconds, s.Layout))
	}
	if s.Video != "none" {
		args = append(args, append([]string{"-c:v"}, strings.Fields(s.Video)...)...)
	}
	if s.Audio != "none" {
		args = append(args, append([]string{"-c:a"}, strings.Fields(s.Audio)...)...)
	}
	for _, k := range slices.Sorted(maps.Keys(s.Tags)) { // sorted: the cache key depends on the order
		args = append(args, "-metadata", k+"="+s.Tags[k])
	}
	return append(args, s.Format...)
}
