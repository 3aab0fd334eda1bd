package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mp3converter/shared/client"
	"mp3converter/test/gridfstools"
)

// runGridFS fetches the MP3 of a job from MongoDB with mongofiles and Python, and replaces
// it with them, as one does to restore it from a backup.
func runGridFS(ctx context.Context, s *suite) error {
	tools, err := gridfstools.Tools()
	if err != nil {
		return err
	}
	j, err := s.convertShort(ctx)
	if err != nil {
		return err
	}
	server, stop, err := s.cluster.forwardMongoDB(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := s.runFilesGuide(ctx, server, j); err != nil {
		return err
	}
	for _, tool := range tools {
		if err := s.checkTool(ctx, tool, server, j); err != nil {
			return err
		}
		fmt.Printf("   %s reads and replaces the MP3 %s\n", tool.Name, j.Audio.ID)
	}
	return nil
}

// runFilesGuide runs the commands of the page, at the address of the forwarded port.
func (s *suite) runFilesGuide(ctx context.Context, server gridfstools.Server, j client.Job) error {
	block, err := guideBlock(operationsPage, "Files and records")
	if err != nil {
		return err
	}
	mongofiles, err := gridfstools.Mongofiles()
	if err != nil {
		return err
	}
	function := "mongofiles() { " + mongofiles + ` "$@"; }; `
	commands := strings.NewReplacer("localhost:27017", server.Address, `"ID"`, `"`+j.Audio.ID+`"`).Replace(block)
	if _, err := runShellIn(ctx, s.dir, function+commands); err != nil {
		return err
	}
	mp3, err := os.ReadFile(filepath.Join(s.dir, "test.mp3"))
	if err != nil {
		return err
	}
	return s.checkAudio(ctx, j, mp3)
}

// checkTool compares what the tool and the API read of an MP3, before and after the tool
// has replaced it.
func (s *suite) checkTool(ctx context.Context, tool gridfstools.Tool, server gridfstools.Server, j client.Job) error {
	path := filepath.Join(s.dir, "test.mp3")
	if err := tool.Get(ctx, server, "mp3", j.Audio.ID, path); err != nil {
		return err
	}
	mp3, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := s.checkAudio(ctx, j, mp3); err != nil {
		return fmt.Errorf("%s has read another MP3: %w", tool.Name, err)
	}
	mp3 = append(mp3, "restored by "+tool.Name...) // players ignore it
	if err := os.WriteFile(path, mp3, 0o600); err != nil {
		return err
	}
	if err := tool.Delete(ctx, server, "mp3", j.Audio.ID); err != nil {
		return err
	}
	if err := tool.Put(ctx, server, "mp3", j.Audio.ID, path); err != nil {
		return err
	}
	if err := s.checkAudio(ctx, j, mp3); err != nil {
		return fmt.Errorf("the MP3 that %s has stored: %w", tool.Name, err)
	}
	return nil
}

// checkAudio compares the MP3 of a job, as the API returns it, and its last bytes.
func (s *suite) checkAudio(ctx context.Context, j client.Job, want []byte) error {
	for _, c := range []struct {
		ranges string
		want   []byte
	}{{"bytes=0-", want}, {"bytes=-100", want[len(want)-100:]}} {
		resp, err := s.user.Do(ctx, http.MethodGet, "/jobs/"+j.ID+"/audio", http.Header{"Range": {c.ranges}}, nil)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(got, c.want) {
			return fmt.Errorf("the API returns status %d and %d bytes for the range %s, want the same %d bytes", resp.StatusCode, len(got), c.ranges, len(c.want))
		}
	}
	return nil
}

// forwardMongoDB makes MongoDB reachable from this machine until stop is called, with the
// user of docs/operations.md.
func (c *cluster) forwardMongoDB(ctx context.Context) (server gridfstools.Server, stop func(), err error) {
	for key, value := range map[string]*string{"username": &server.Username, "password": &server.Password} {
		if *value, err = c.secret(ctx, "mongodb", key); err != nil {
			return server, nil, err
		}
	}
	cmd := exec.CommandContext(ctx, "kubectl", "--context", c.context, "-n", namespace, "port-forward", "service/mongodb", ":27017")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return server, nil, err
	}
	if err := cmd.Start(); err != nil {
		return server, nil, fmt.Errorf("kubectl: %w", err)
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(line, "Forwarding from ")
	if err != nil || !ok {
		stop()
		return server, nil, errors.Join(fmt.Errorf("kubectl port-forward printed %q", line), err)
	}
	server.Address, _, _ = strings.Cut(address, " ")
	go io.Copy(io.Discard, out) // a line for each connection
	return server, stop, nil
}
