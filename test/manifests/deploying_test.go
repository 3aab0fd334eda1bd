package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The README, docs/cluster.md and the end-to-end tests deploy with the same commands.
func TestDeploymentIsTheSameEverywhere(t *testing.T) {
	readme := commands(t, "README.md", "## On Kubernetes")
	if len(readme) < 6 {
		t.Fatalf("README.md has only the commands %q", readme)
	}
	if guide := commands(t, "docs/cluster.md", "## Deploying"); !slices.Equal(guide, readme) {
		t.Errorf("docs/cluster.md deploys with\n%s\nREADME.md with\n%s", strings.Join(guide, "\n"), strings.Join(readme, "\n"))
	}
	script, err := os.ReadFile(filepath.Join(root, "test/e2e/run"))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(readme[1:], "\n"); !strings.HasPrefix(readme[0], "export KO_DOCKER_REPO=") || !strings.Contains(string(script), "\n"+want+"\n") {
		t.Errorf("test/e2e/run does not contain\n%s", want)
	}
}

// commands returns the lines of the first code block under a heading, without comments.
func commands(t *testing.T, file, heading string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(content), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s: no heading %q", file, heading)
	}
	_, rest, _ := strings.Cut(section, "\n```\n")
	block, _, _ := strings.Cut(rest, "\n```\n")
	var lines []string
	for line := range strings.Lines(block) {
		command, _, _ := strings.Cut(line, " #")
		lines = append(lines, strings.TrimSpace(command))
	}
	return lines
}
