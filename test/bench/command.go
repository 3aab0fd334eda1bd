package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// measureCommand compares "mp3converter convert" with ffmpeg for an hour of audio.
func measureCommand(ctx context.Context, h *harness) (float64, string, error) {
	path, err := oneHour.Path(h.dir)
	if err != nil {
		return 0, "", err
	}
	cpuTime := func() (time.Duration, error) { return childrenCPUTime(), nil }
	command, alone, err := compare(cpuTime,
		func() error {
			return runCommand(ctx, "ffmpeg", "-v", "error", "-nostdin", "-y", "-i", path, "-vn", "-b:a", "192k", filepath.Join(h.dir, "ffmpeg.mp3"))
		}, doNothing,
		func() error { return runCommand(ctx, h.binary, "convert", "--force", "-o", h.dir, path) })
	if err != nil {
		return 0, "", err
	}
	return command.wall.Seconds() / alone.wall.Seconds(), fmt.Sprintf("%.2f s, ffmpeg alone %.2f s; processor time ratio %.2f",
		command.wall.Seconds(), alone.wall.Seconds(), command.cpu.Seconds()/alone.cpu.Seconds()), nil
}
