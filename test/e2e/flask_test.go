package main

import (
	"maps"
	"regexp"
	"slices"
	"testing"
)

// TestFlaskPage checks that every section of the page with commands has expectations, and
// that they are patterns.
func TestFlaskPage(t *testing.T) {
	sections, err := readSections("../../" + flaskPage)
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for _, section := range sections {
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
