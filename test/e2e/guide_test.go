package main

import (
	"fmt"
	"testing"
)

// The steps find the commands that they run.
func TestGuideHasTheCommands(t *testing.T) {
	t.Chdir("../..")
	headings := []string{"MongoDB's key file", "A database's Secret is lost", "Removing"}
	for _, r := range rotations {
		headings = append(headings, r.heading)
	}
	for _, heading := range headings {
		if _, err := guideBlock(operationsPage, heading); err != nil {
			t.Error(err)
		}
	}
	if _, err := guideBlock(clusterPage, "Deploying"); err != nil {
		t.Error(err)
	}
}

func TestParseSections(t *testing.T) {
	const page = "# Title\n\n```\na\n```\n\n## One\n\n```sh\nb\n# not a heading\n```\ntext\n```yaml\nno: command\n```\n\n```\nc\n```\n\n## Two\n\ntext\n\n### Three\n```sh\nd\n```\n"
	got := fmt.Sprintf("%q", parseSections(page))
	want := fmt.Sprintf("%q", []section{{"Title", []string{"a\n"}}, {"One", []string{"b\n# not a heading\n", "c\n"}}, {"Three", []string{"d\n"}}})
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
