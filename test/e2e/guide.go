package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// The pages whose commands the tests run. The program is started in the root directory.
const (
	clusterPage    = "docs/cluster.md"
	operationsPage = "docs/operations.md"
)

// guideBlock returns the first code block under a heading of a page.
func guideBlock(page, heading string) (string, error) {
	content, err := os.ReadFile(page)
	if err != nil {
		return "", err
	}
	_, section, found := strings.Cut(string(content), "# "+heading+"\n")
	_, block, begins := strings.Cut(section, "\n```\n")
	block, _, ends := strings.Cut(block, "\n```\n")
	if !found || !begins || !ends {
		return "", fmt.Errorf("%s has no commands under %q", page, heading)
	}
	return block, nil
}

// runShell runs commands as a user types them into bash, but ends at the first one that
// fails. It returns their output.
func runShell(ctx context.Context, commands string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", commands)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%.60s…: %w: %s", commands, err, lastLines(out.String(), 10))
	}
	return out.String(), nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
