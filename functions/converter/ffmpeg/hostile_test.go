package ffmpeg

import (
	"bytes"
	"context"
	"io"
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
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/media"
	"mp3converter/shared/queue"
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

// quiet takes events from several conversions at once.
type quiet struct{}

func (quiet) Wake(context.Context, queue.Queue, string) error { return nil }

// wishes are what users ask for besides: more decoders and filters take part.
var wishes = []conversion.Options{
	{},
	{Cover: conversion.CoverFrame},
	{Normalize: true, Cover: conversion.CoverNone},
	{Start: 0.1, End: 0.5},
}

// Whatever a file is made of, the conversion ends after one attempt, with an
// MP3 or a failure that has a name, within its bounds, and neither canary was
// touched.
func TestHostileFiles(t *testing.T) {
	c := newCanary(t)
	all := map[string][]byte{}
	for _, files := range []map[string][]byte{references(c), bombs(long), damaged(t, long)} {
		for name, content := range files {
			all[name] = content
		}
	}
	ways := map[string]*bench{"file": newBench(t), "http": newBench(t)}
	ways["http"].Converter.videos = served{ways["http"].Converter.videos}
	var done [2]atomic.Int64
	// The sub-tests run in a group of their own, so that all have ended here.
	t.Run("files", func(t *testing.T) {
		for i, name := range names(all) {
			for n, way := range []string{"file", "http"} {
				if !long && (i+n)%2 != 0 {
					continue // the other half of them
				}
				t.Run(way+"/"+name, func(t *testing.T) {
					t.Parallel()
					if ways[way].survives(t, all[name], wishes[i/2%len(wishes)]) == jobs.Done {
						done[n].Add(1)
					}
				})
			}
		}
	})
	if err := c.touched(); err != nil {
		t.Error(err)
	}
	ways["file"].nothingLeft(t, int(done[0].Load()))
	ways["http"].nothingLeft(t, int(done[1].Load()))
	for _, b := range ways {
		b.quotesNothing(t)
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

// survives converts a file and returns the state of its job.
func (b *bench) survives(t *testing.T, content []byte, wish conversion.Options) jobs.State {
	t.Helper()
	config := b.config
	config.MaxDuration, config.MaxMemory, config.TempDir = time.Minute, hostileMemory, t.TempDir()
	converter, err := New(t.Context(), config, b.jobs, b.Converter.videos, b.Converter.audio, quiet{})
	if err != nil {
		t.Fatal(err)
	}
	j := b.put(t, content, "-i; @list %d \"x\" file:|concat:.mp4", wish)

	watching, stop := context.WithCancel(t.Context())
	disk := make(chan int64, 1)
	go func() { disk <- most(watching, config.TempDir) }()
	begin := time.Now()
	err = converter.Convert(t.Context(), j.ID)
	took := time.Since(begin)
	stop()
	if n := <-disk; n > hostileDisk {
		t.Errorf("%d bytes of temporary files", n)
	}
	if took > hostileTime {
		t.Errorf("took %v", took)
	}
	if err != nil {
		t.Errorf("asks for another attempt: %v", err)
	}
	j = b.get(t, j.ID)
	switch {
	case j.Attempts != 1:
		t.Errorf("%d attempts", j.Attempts)
	case j.State == jobs.Failed && slices.ContainsFunc(conversion.Failures, func(f *conversion.Failure) bool { return f.Code == j.Failure.Code }):
		t.Logf("%s after %v", j.Failure.Code, took)
	case j.State == jobs.Done:
		t.Logf("done after %v: %d bytes", took, j.Audio.Size)
	default:
		t.Errorf("state %s, failure %v", j.State, j.Failure)
	}
	if left, err := os.ReadDir(config.TempDir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	return j.State
}

// put is upload without a file.
func (b *bench) put(t *testing.T, content []byte, name string, wish conversion.Options) jobs.Job {
	t.Helper()
	j := jobs.Job{ID: id.New(), Owner: "u1", Name: name, Options: wish}
	o, err := b.videos.Put(t.Context(), media.Object{ID: id.New(), Job: j.ID, Name: name}, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	j.Video = jobs.File{ID: o.ID, Size: o.Size}
	j.Enqueue(policy, time.Now())
	if err := b.jobs.Create(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	return j
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

// quotesNothing fails the test if an MP3 has the canary's secret in it.
func (b *bench) quotesNothing(t *testing.T) {
	t.Helper()
	objects, err := b.audio.List(t.Context(), time.Now().Add(time.Hour), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		_, r, err := b.audio.Open(t.Context(), o.ID)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("the MP3 %s quotes the canary", o.ID)
		}
	}
}

// The options alone keep ffmpeg from following references, also where the
// kernel has no walls to offer: here it runs without any.
func TestReferencesAreNotFollowedWithoutASandbox(t *testing.T) {
	c := newCanary(t)
	files := references(c)
	videos := openDisk(t, t.TempDir(), "videos")
	for i, name := range names(files) {
		for n, store := range map[int]media.Store{0: videos, 1: served{videos}} {
			if !long && (i+n)%2 != 0 {
				continue
			}
			o, err := videos.Put(t.Context(), media.Object{ID: id.New()}, bytes.NewReader(files[name]))
			if err != nil {
				t.Fatal(err)
			}
			in, err := openInput(t.Context(), store, o.ID)
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
