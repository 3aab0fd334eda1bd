package api

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mp3converter/shared/conversion"
)

var update = flag.Bool("update", false, "write the generated parts of openapi.yaml and docs/conversion.md")

// The documentation of the options is generated from conversion.AllOptions.
func TestGeneratedDocumentation(t *testing.T) {
	var properties, table strings.Builder
	table.WriteString("| option | values | |\n|---|---|---|\n")
	for _, o := range conversion.AllOptions {
		schema, values := documentValues(t, o.Values)
		fmt.Fprintf(&properties, "        %s: { %s, description: %q }\n", o.Name, schema, o.Description)
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", o.Name, values, o.Description)
	}
	checkGenerated(t, "openapi.yaml", `(?s)# Generated [^\n]*\n(.*?)    Failure:\n`, properties.String())
	checkGenerated(t, "../../../docs/conversion.md", `(?s)(\| option \|.*?\n)\n`, table.String())
}

// documentValues returns the OpenAPI schema of a set of values, and its
// description in Markdown.
func documentValues(t *testing.T, values conversion.Values) (schema, markdown string) {
	t.Helper()
	switch v := values.(type) {
	case conversion.Integers:
		return fmt.Sprintf("type: integer, enum: [%s]", v), v.String()
	case conversion.Names:
		return fmt.Sprintf("type: string, enum: [%s]", v), "`" + strings.Join(v, "`, `") + "`"
	case conversion.Range:
		return fmt.Sprintf("type: integer, minimum: %d, maximum: %d", v.Min, v.Max), fmt.Sprintf("%d to %d", v.Min, v.Max)
	case conversion.Boolean:
		return "type: boolean", "`true`, `false`"
	case conversion.Time:
		return `type: [number, string], examples: [90, "1:30", "0:01:30.5"]`, "`90`, `1:30`, `0:01:30.5`"
	case conversion.TrackSelector:
		return `type: string, examples: ["2", eng]`, "number from 1, or language (`eng`)"
	case conversion.Text:
		return fmt.Sprintf("type: string, maxLength: %d", conversion.MaxText), "text"
	}
	t.Fatalf("%T is not documented", values)
	return "", ""
}

// checkGenerated compares the first group of pattern in a file with want.
func checkGenerated(t *testing.T, path, pattern, want string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(pattern).FindSubmatchIndex(b)
	if match == nil {
		t.Fatalf("%s has no generated part", path)
	}
	if got := string(b[match[2]:match[3]]); got == want {
		return
	} else if !*update {
		t.Errorf("%s is out of date: run this test with -update. It has\n%s\nwant\n%s", path, got, want)
		return
	}
	b = slices.Concat(b[:match[2]], []byte(want), b[match[3]:])
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// The page offers only presets that exist; an empty value means none.
func TestPageOffersPresets(t *testing.T) {
	html, err := os.ReadFile("../page/page.html")
	if err != nil {
		t.Fatal(err)
	}
	offered := regexp.MustCompile(`<option value="(.*?)"`).FindAllSubmatch(html, -1)
	if len(offered) == 0 {
		t.Fatal("the page offers no presets")
	}
	for _, value := range offered {
		fields := map[string]string{"preset": string(value[1])}
		if _, err := conversion.ParseOptions(fields); err != nil {
			t.Errorf("page option: %v", err)
		}
	}
}
