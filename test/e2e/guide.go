package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// The pages whose commands the tests run. The program is started in the root directory.
const (
	clusterPage    = "docs/cluster.md"
	operationsPage = "docs/operations.md"
)

// section is what a page tells its reader to type under one heading.
type section struct {
	heading string
	blocks  []string // of commands, each with a final newline
}

// readSections returns the sections of a page that have blocks of commands. Blocks of
// another language are not commands.
func readSections(page string) ([]section, error) {
	content, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	return parseSections(string(content)), nil
}

func parseSections(page string) []section {
	sections := []section{{}}
	var block strings.Builder
	language, inside := "", false
	for line := range strings.Lines(page) {
		text := strings.TrimSuffix(line, "\n")
		switch info, isFence := strings.CutPrefix(text, "```"); {
		case isFence && !inside:
			language, inside = info, true
			block.Reset()
		case isFence:
			inside = false
			if language == "" || language == "sh" {
				last := &sections[len(sections)-1]
				last.blocks = append(last.blocks, block.String())
			}
		case inside:
			block.WriteString(line)
		case strings.HasPrefix(text, "#"):
			sections = append(sections, section{heading: strings.TrimLeft(text, "# ")})
		}
	}
	return slices.DeleteFunc(sections, func(s section) bool { return len(s.blocks) == 0 })
}

// guideBlock returns the first block of commands under a heading of a page.
func guideBlock(page, heading string) (string, error) {
	sections, err := readSections(page)
	if err != nil {
		return "", err
	}
	for _, s := range sections {
		if s.heading == heading {
			return s.blocks[0], nil
		}
	}
	return "", fmt.Errorf("%s has no commands under %q", page, heading)
}

// guideBlockWith returns the one block of commands of a page that contains a text.
func guideBlockWith(page, text string) (string, error) {
	sections, err := readSections(page)
	if err != nil {
		return "", err
	}
	var found []string
	for _, s := range sections {
		for _, block := range s.blocks {
			if strings.Contains(block, text) {
				found = append(found, block)
			}
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s: %d blocks of commands contain %q, want 1", page, len(found), text)
	}
	return found[0], nil
}

// runShell runs commands as a user types them into bash, but ends at the first one that
// fails. It returns their output.
func runShell(ctx context.Context, commands string) (string, error) {
	return runShellIn(ctx, ".", commands)
}

// runShellIn is runShell in a directory.
func runShellIn(ctx context.Context, dir, commands string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%.60s…: %w: %s", commands, err, lastLines(string(out), 10))
	}
	return string(out), err
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
