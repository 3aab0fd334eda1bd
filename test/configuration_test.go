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
	variable = regexp.MustCompile("envconfig:\"([A-Z_]+)\"([^`]*)`")
	standard = regexp.MustCompile(`default:"([^"]*)"`)
	row      = regexp.MustCompile("^\\| `([A-Z_]+)` \\| ([^|]*) \\|")
)

// TestConfiguration: docs/configuration.md has every variable that the code
// reads, with its default, and no other.
func TestConfiguration(t *testing.T) {
	read, told := inCode(t), inTables(t)
	// Read before there is a Config.
	read["LOG_LEVEL = info"] = true
	for _, v := range slices.Sorted(maps.Keys(read)) {
		if !told[v] {
			t.Errorf("docs/configuration.md does not have %s", v)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(told)) {
		if !read[v] {
			t.Errorf("docs/configuration.md has %s, which is not so in the code", v)
		}
	}
}

// inCode returns "NAME = default" of every field that is a variable.
func inCode(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range []string{"../functions", "../shared"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range variable.FindAllStringSubmatch(string(text), -1) {
				value := "-"
				if strings.Contains(m[2], `required:"true"`) {
					value = "required"
				}
				if d := standard.FindStringSubmatch(m[2]); d != nil {
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

// inTables returns the same of the tables, up to that of the tests.
func inTables(t *testing.T) map[string]bool {
	t.Helper()
	f, err := os.Open("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() && lines.Text() != "## Tests" {
		if m := row.FindStringSubmatch(lines.Text()); m != nil {
			found[m[1]+" = "+cmp.Or(m[2], "-")] = true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}
