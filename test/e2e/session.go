package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mp3converter/test/samples"
)

// curlSession is the curl session of the README, with the cluster's host name.
const curlSession = `
set -eu
curl() { command curl -sS --fail-with-body --connect-to "::$INGRESS" "$@"; }
curl -o register.json -H 'Content-Type: application/json' -d "{\"email\":\"$EMAIL\",\"password\":\"$PASSWORD\",\"code\":\"$CODE\"}" $HOST/register
TOKEN=$(curl -X POST -u "$EMAIL:$PASSWORD" $HOST/login)
ID=$(curl -F 'file=@holiday.mp4' -H "Authorization: Bearer $TOKEN" $HOST/upload | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
curl -OJ -H "Authorization: Bearer $TOKEN" "$HOST/download?fid=$ID&wait=120"
echo "$TOKEN" | cut -c1-3
echo "$ID"
`

// runSession runs the curl session and checks the downloaded MP3.
func runSession(ctx context.Context, s *suite) error {
	const length = 20
	dir, err := os.MkdirTemp(s.dir, "session-")
	if err != nil {
		return err
	}
	if _, err := (samples.Spec{Name: "holiday.mp4", Seconds: length}).Path(dir); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", curlSession)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOST="+s.user.BaseURL, "INGRESS="+s.user.ingress,
		"EMAIL=session-"+s.user.email, "PASSWORD="+s.user.password, "CODE="+s.user.RegistrationCode)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("curl: %w: %s", err, bytes.TrimSpace(out))
	}
	fmt.Printf("   token and job: %s\n", strings.Join(strings.Fields(string(out)), " "))

	mp3 := filepath.Join(dir, "holiday.mp3") // named by Content-Disposition
	probe := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-of", "default=nw=1:nk=1", "-show_entries", "stream=codec_name:format=duration", mp3)
	out, err = probe.CombinedOutput()
	if err != nil {
		return fmt.Errorf("ffprobe: %w: %s", err, bytes.TrimSpace(out))
	}
	fields := strings.Fields(string(out))
	if len(fields) != 2 || fields[0] != "mp3" {
		return fmt.Errorf("ffprobe reports %q, want codec mp3 and a duration", fields)
	}
	if seconds, err := strconv.ParseFloat(fields[1], 64); err != nil || seconds < length-0.2 || seconds > length+0.2 {
		return fmt.Errorf("the MP3 has a duration of %s s, the video of %d s", fields[1], length)
	}
	return nil
}

// checkNoPods checks that no function runs before the first request.
func checkNoPods(ctx context.Context, s *suite) error {
	return s.cluster.waitNoPods(ctx)
}

// measureIdle waits until all functions are scaled to zero, and then measures the memory
// of the cluster.
func measureIdle(ctx context.Context, s *suite) error {
	start := time.Now()
	if err := s.cluster.waitNoPods(ctx); err != nil {
		return err
	}
	fmt.Printf("   no pods after %.0f s\n", time.Since(start).Seconds())
	pods, err := s.cluster.podMemory(ctx)
	if err != nil {
		return err
	}
	s.recordFigure("idle: memory of all pods, MB", pods/1e6)
	if daemons, ok := daemonMemory(); ok {
		s.recordFigure("idle: memory of Kubernetes, MB", daemons/1e6)
	} else {
		fmt.Println("   no memory of Kubernetes: it is measured on the cluster of `make cluster` only")
	}
	return nil
}
