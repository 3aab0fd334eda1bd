package test

import (
	"bufio"
	"cmp"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	variableTag = regexp.MustCompile("envconfig:\"([A-Z_]+)\"([^`]*)`")
	defaultTag  = regexp.MustCompile(`default:"([^"]*)"`)
	tableRow    = regexp.MustCompile("^\\| `([A-Z_]+)` \\| ([^|]*) \\|")
)

// TestConfiguration checks that docs/configuration.md lists exactly the variables that
// the code reads, with their defaults.
func TestConfiguration(t *testing.T) {
	inCode, inDocs := readCode(t), readDocs(t)
	// It has no envconfig tag, because it is read before the configuration is parsed.
	inCode["LOG_LEVEL = info"] = true
	for _, v := range slices.Sorted(maps.Keys(inCode)) {
		if !inDocs[v] {
			t.Errorf("docs/configuration.md does not list %s", v)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(inDocs)) {
		if !inCode[v] {
			t.Errorf("docs/configuration.md lists %s, which the code does not read", v)
		}
	}
}

// readCode returns "NAME = default" of every field with an envconfig tag.
func readCode(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range []string{"../cmd", "../functions", "../shared"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range variableTag.FindAllStringSubmatch(string(text), -1) {
				value := "-"
				if strings.Contains(m[2], `required:"true"`) {
					value = "required"
				}
				if d := defaultTag.FindStringSubmatch(m[2]); d != nil {
					value = d[1]
				}
				found[m[1]+" = "+value] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) == 0 {
		t.Fatal("no variables found")
	}
	return found
}

// readDocs returns the same from the tables of docs/configuration.md, except the one
// for the tests.
func readDocs(t *testing.T) map[string]bool {
	t.Helper()
	f, err := os.Open("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() && lines.Text() != "## Tests" {
		if m := tableRow.FindStringSubmatch(lines.Text()); m != nil {
			found[m[1]+" = "+cmp.Or(m[2], "-")] = true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}
