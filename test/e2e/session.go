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

// lines are what the README tells users to type, with this cluster's host.
const lines = `
set -eu
curl() { command curl -sS --fail-with-body --connect-to "::$INGRESS" "$@"; }
curl -o register.json -H 'Content-Type: application/json' -d "{\"email\":\"$EMAIL\",\"password\":\"$PASSWORD\"}" $HOST/register
TOKEN=$(curl -X POST -u "$EMAIL:$PASSWORD" $HOST/login)
ID=$(curl -F 'file=@holiday.mp4' -H "Authorization: Bearer $TOKEN" $HOST/upload | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
curl -OJ -H "Authorization: Bearer $TOKEN" "$HOST/download?fid=$ID&wait=120"
echo "$TOKEN" | cut -c1-3
echo "$ID"
`

// session runs them and looks at the MP3.
func session(ctx context.Context, b *bench) error {
	const length = 20
	dir, err := os.MkdirTemp(b.dir, "session-")
	if err != nil {
		return err
	}
	if _, err := (samples.Spec{Name: "holiday.mp4", Seconds: length}).Path(dir); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", lines)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOST="+b.client.base, "INGRESS="+b.client.ingress,
		"EMAIL=session-"+b.client.email, "PASSWORD="+b.client.password)
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
		return fmt.Errorf("ffprobe sees %q", fields)
	}
	if seconds, err := strconv.ParseFloat(fields[1], 64); err != nil || seconds < length-0.2 || seconds > length+0.2 {
		return fmt.Errorf("the MP3 lasts %s s, the video %d s", fields[1], length)
	}
	return nil
}

// rest checks that there is nothing before anything was asked for.
func rest(ctx context.Context, b *bench) error {
	return b.cluster.empty(ctx)
}

// idle checks the same afterwards, and weighs what is left.
func idle(ctx context.Context, b *bench) error {
	start := time.Now()
	if err := b.cluster.empty(ctx); err != nil {
		return err
	}
	fmt.Printf("   empty after %.0f s\n", time.Since(start).Seconds())
	pods, err := b.cluster.memory(ctx)
	if err != nil {
		return err
	}
	b.figure("idle: memory of all pods, MB", pods/1e6)
	if daemons, ok := daemons(); ok {
		b.figure("idle: memory of Kubernetes itself, MB", daemons/1e6)
	}
	return nil
}
