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
	// hostileTime limits the conversion of one hostile file, on a busy machine.
	hostileTime = 2 * time.Minute
	// hostileMemory limits the private memory of a program. The kernel enforces it.
	hostileMemory = 1 << 30
	// hostileDisk limits the disk space of a job at any time: twice an MP3 of
	// the maximum duration, plus space for tags.
	hostileDisk = 48 << 20
)

// hostileOptions make more decoders and filters read the file.
var hostileOptions = []conversion.Options{
	{},
	{Cover: conversion.CoverFrame},
	{Normalize: true, Cover: conversion.CoverNone},
	{Start: 0.1, End: 0.5},
	{Salvage: true},
}

// Every malicious file results in an MP3 or in a failure with a code, within the
// limits and without access to the canary.
func TestHostileFiles(t *testing.T) {
	trap := newCanary(t)
	all := map[string][]byte{}
	for _, files := range []map[string][]byte{references(trap), bombs(long), damaged(t, long)} {
		for name, content := range files {
			all[name] = content
		}
	}
	for name, l := range liars(t) {
		all["liar: "+name] = l.content
	}
	c := newConverter(t, func(cfg *Config) { cfg.MaxDuration, cfg.MaxMemory = time.Minute, hostileMemory })
	var done [2]atomic.Int64
	// The parallel subtests have their own parent, so that all have finished when
	// it returns.
	t.Run("files", func(t *testing.T) {
		for i, name := range names(all) {
			for n, way := range []string{"file", "http"} {
				if !long && (i+n)%2 != 0 {
					continue // each mode tests half of the files
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
	t.Logf("%d files, %d and %d of them were converted", len(all), done[0].Load(), done[1].Load())
}

func names(files map[string][]byte) []string {
	var list []string
	for name := range files {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// convertHostile reports whether the file was converted. The conversion may fail only
// with a *conversion.Failure.
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
	go func() { disk <- peakSize(ctx, config.TempDir) }()
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
	if errors.As(err, &failure) && slices.ContainsFunc(conversion.Failures, func(f *conversion.Failure) bool { return errors.Is(failure, f) }) {
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

// peakSize returns the largest size of dir until ctx ends.
func peakSize(ctx context.Context, dir string) (peak int64) {
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
		peak = max(peak, now)
		select {
		case <-ctx.Done():
			tick.Stop()
			return peak
		case <-tick.C:
		}
	}
}

// Even without a sandbox, the arguments prevent ffmpeg from following references.
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
			in := openVideo(t, video, newStopwatch())
			runs := [][]string{
				append(append([]string{"ffmpeg", "-nostdin", "-v", "error", "-t", "5"}, in.args()...), "-map", "0", "-c", "copy", "-f", "null", "-"),
				append([]string{"ffprobe", "-v", "error", "-show_streams", "-show_format"}, in.args()...),
			}
			if !long {
				runs = runs[:1] // ffmpeg opens the file in the same way
			}
			for _, run := range runs {
				ctx, cancel := context.WithTimeout(t.Context(), hostileTime)
				cmd := exec.CommandContext(ctx, run[0], run[1:]...)
				cmd.Dir, cmd.ExtraFiles = t.TempDir(), in.files()
				output, _ := cmd.CombinedOutput()
				if ctx.Err() != nil {
					t.Errorf("%s: %s did not finish", name, run[0])
				}
				cancel()
				if err := c.touched(); err != nil {
					t.Errorf("%s, %s: %v: %s", name, run[0], err, strings.TrimSpace(string(output)))
				}
			}
			in.close()
		}
	}
}
