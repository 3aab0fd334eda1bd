package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestFlaskPage checks that every section of the page with commands has expectations, and
// that they are patterns.
func TestFlaskPage(t *testing.T) {
	page, err := os.ReadFile("../../" + flaskPage)
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for _, section := range shellSections(string(page)) {
		headings = append(headings, section.heading)
		for _, want := range flaskSections[section.heading] {
			if _, err := regexp.Compile(want); err != nil {
				t.Errorf("%q: %v", section.heading, err)
			}
		}
	}
	slices.Sort(headings)
	if want := slices.Sorted(maps.Keys(flaskSections)); !slices.Equal(headings, want) {
		t.Errorf("sections with commands: %q, with expectations: %q", headings, want)
	}
}

func TestShellSections(t *testing.T) {
	page := "# Title\n\n## One\n\n```sh\na\n```\ntext\n```\nnot run\n```\n\n```sh\nb\n```\n\n## Two\n\ntext\n\n## Three\n```sh\nc\n```\n"
	got := shellSections(page)
	want := []shellSection{{"One", "a\nb\n"}, {"Three", "c\n"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
