package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/conversion"
)

const (
	// hostileTime is what one hostile file may take, on a busy machine.
	hostileTime = 2 * time.Minute
	// hostileMemory is the address space of a program; the kernel holds it to
	// that.
	hostileMemory = 1 << 30
	// hostileDisk is what a job may have on the disk at any time: an MP3 of
	// the longest duration, twice, and room for tags.
	hostileDisk = 48 << 20
)

// hostileOptions make more decoders and filters read the file.
var hostileOptions = []conversion.Options{
	{},
	{Cover: conversion.CoverFrame},
	{Normalize: true, Cover: conversion.CoverNone},
	{Start: 0.1, End: 0.5},
}

// Every malicious file ends in an MP3 or a failure with a code, within the limits
// and without access to the canaries.
func TestHostileFiles(t *testing.T) {
	trap := newCanary(t)
	all := map[string][]byte{}
	for _, files := range []map[string][]byte{references(trap), bombs(long), damaged(t, long)} {
		for name, content := range files {
			all[name] = content
		}
	}
	c := newConverter(t, func(cfg *Config) { cfg.MaxDuration, cfg.MaxMemory = time.Minute, hostileMemory })
	var done [2]atomic.Int64
	// The sub-tests have a parent of their own, so that all have ended when it
	// returns.
	t.Run("files", func(t *testing.T) {
		for i, name := range names(all) {
			for n, way := range []string{"file", "http"} {
				if !long && (i+n)%2 != 0 {
					continue // the other half of them
				}
				t.Run(way+"/"+name, func(t *testing.T) {
					t.Parallel()
					if convertHostile(t, c.config, all[name], way == "http", hostileOptions[i/2%len(hostileOptions)]) {
						done[n].Add(1)
					}
				})
			}
		}
	})
	if err := trap.touched(); err != nil {
		t.Error(err)
	}
	t.Logf("%d files, %d and %d of them became an MP3", len(all), done[0].Load(), done[1].Load())
}

func names(files map[string][]byte) []string {
	var list []string
	for name := range files {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// convertHostile reports whether the file became an MP3. It may also fail, but
// only with a *conversion.Failure.
func convertHostile(t *testing.T, config Config, content []byte, served bool, o conversion.Options) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "video")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	config.TempDir = t.TempDir()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	in := fileInput(t, path)
	in.Title = "-i; @list %d \"x\" file:|concat:"
	if served {
		in = servedInput(in)
	}

	ctx, stop := context.WithCancel(t.Context())
	disk := make(chan int64, 1)
	go func() { disk <- most(ctx, config.TempDir) }()
	begin := time.Now()
	_, out, err := convertInput(t, c, in, o)
	took := time.Since(begin)
	stop()
	if n := <-disk; n > hostileDisk {
		t.Errorf("%d bytes of temporary files", n)
	}
	if took > hostileTime {
		t.Errorf("took %v", took)
	}
	if left, err := os.ReadDir(config.TempDir); err != nil || len(left) > 0 {
		t.Errorf("files left: %v %v", left, err)
	}
	var failure *conversion.Failure
	if errors.As(err, &failure) && slices.Contains(conversion.Failures, failure) {
		t.Logf("%s after %v", failure.Code, took)
		return false
	}
	if err != nil {
		t.Errorf("not a failure of the video: %v", err)
		return false
	}
	mp3, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mp3, []byte(secret)) {
		t.Error("the MP3 contains the content of the canary file")
	}
	t.Logf("converted in %v: %d bytes", took, len(mp3))
	return true
}

// most returns the most bytes that dir ever held until ctx ended.
func most(ctx context.Context, dir string) (most int64) {
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		var now int64
		filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if info, err := d.Info(); err == nil {
					now += info.Size()
				}
			}
			return nil
		})
		most = max(most, now)
		select {
		case <-ctx.Done():
			tick.Stop()
			return most
		case <-tick.C:
		}
	}
}

// The arguments alone keep ffmpeg from following references, without a sandbox.
func TestReferencesAreNotFollowedWithoutASandbox(t *testing.T) {
	c := newCanary(t)
	files := references(c)
	for i, name := range names(files) {
		path := filepath.Join(t.TempDir(), "video")
		if err := os.WriteFile(path, files[name], 0o600); err != nil {
			t.Fatal(err)
		}
		for n, video := range []Input{fileInput(t, path), servedInput(fileInput(t, path))} {
			if !long && (i+n)%2 != 0 {
				continue
			}
			in, err := openInput(t.Context(), video.Open)
			if err != nil {
				t.Fatal(err)
			}
			runs := [][]string{
				append(append([]string{"ffmpeg", "-nostdin", "-v", "error", "-t", "5"}, in.args()...), "-map", "0", "-c", "copy", "-f", "null", "-"),
				append([]string{"ffprobe", "-v", "error", "-show_streams", "-show_format"}, in.args()...),
			}
			if !long {
				runs = runs[:1] // which opens the file in the same way
			}
			for _, run := range runs {
				ctx, cancel := context.WithTimeout(t.Context(), hostileTime)
				cmd := exec.CommandContext(ctx, run[0], run[1:]...)
				cmd.Dir, cmd.ExtraFiles = t.TempDir(), in.files()
				said, _ := cmd.CombinedOutput()
				if ctx.Err() != nil {
					t.Errorf("%s: %s does not end", name, run[0])
				}
				cancel()
				if err := c.touched(); err != nil {
					t.Errorf("%s, %s: %v: %s", name, run[0], err, strings.TrimSpace(string(said)))
				}
			}
			in.close()
		}
	}
}
