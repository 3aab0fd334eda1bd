package main

import (
	"slices"
	"testing"
)

func TestSelects(t *testing.T) {
	selected := func(c config) (names []string) {
		for _, s := range steps {
			if c.selects(s) {
				names = append(names, s.name)
			}
		}
		return names
	}
	all := selected(config{release: true})
	if len(all) != len(steps) {
		t.Errorf("before a release %d of %d steps run", len(all), len(steps))
	}
	if usual := selected(config{}); slices.Contains(usual, "uninstall") || !slices.Contains(usual, "burst") {
		t.Errorf("the usual steps are %q", usual)
	}
	if got := selected(config{only: "rest,uninstall"}); !slices.Equal(got, []string{"rest", "uninstall"}) {
		t.Errorf("named steps: %q", got)
	}
	if got := selected(config{only: "rest,burst", skip: "burst,,"}); !slices.Equal(got, []string{"rest"}) {
		t.Errorf("named and skipped steps: %q", got)
	}
	if got := selected(config{release: true, skip: "burst"}); len(got) != len(steps)-1 {
		t.Errorf("%d steps without one", len(got))
	}
}
