// Package test checks rules that hold for the whole repository: which package may
// import which, and that docs/configuration.md is complete.
package test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Package paths are relative to mp3converter/. A trailing "/..." includes the packages
// below.

// forbidden lists imports that are errors, except in test files.
var forbidden = []struct {
	packages string
	imports  []string
	except   []string // patterns that are permitted nevertheless
}{
	// Product code does not import tests, and only main packages import functions.
	{"shared/...", []string{"functions/...", "cmd/...", "test/..."}, nil},
	{"functions/...", []string{"cmd/...", "test/..."}, nil},
	{"cmd/...", []string{"test/..."}, nil},
	{"shared/...", testSuites, nil},
	{"functions/...", testSuites, nil},
	{"cmd/...", testSuites, nil},

	// Functions do not import each other; cmd/mp3converter imports all of them.
	{"functions/auth/...", []string{"functions/..."}, []string{"functions/auth/..."}},
	{"functions/converter/...", []string{"functions/..."}, []string{"functions/converter/..."}},
	{"functions/gateway/...", []string{"functions/..."}, []string{"functions/gateway/..."}},
	{"functions/janitor/...", []string{"functions/..."}, []string{"functions/janitor/..."}},
	{"functions/notification/...", []string{"functions/..."}, []string{"functions/notification/..."}},

	// Within the converter: the conversion does not know jobs, stores or queues.
	{"functions/converter/ffmpeg/...", []string{"shared/jobs/...", "shared/media/...", "shared/queue/...", "shared/events", "functions/converter/worker"}, nil},
	{"functions/converter/parallel", []string{"shared/...", "functions/converter/..."}, []string{"functions/converter/mp3", "functions/converter/sandbox"}},
	{"functions/converter/mp3", []string{"shared/...", "functions/converter/..."}, nil},
	{"functions/converter/sandbox/...", []string{"shared/...", "functions/converter/..."}, []string{"functions/converter/sandbox/..."}},

	// Within the gateway: the page is static.
	{"functions/gateway/page", []string{"shared/...", "functions/gateway/api"}, nil},

	// conversion holds the vocabulary of options and failures.
	{"shared/conversion", []string{"shared/...", "functions/..."}, nil},

	// Backends are chosen by main packages; the interfaces do not depend on them.
	{"shared/jobs", []string{"shared/..."}, []string{"shared/conversion"}},
	{"shared/media", []string{"shared/..."}, nil},
	{"shared/queue", []string{"shared/..."}, []string{"shared/events"}},
	{"shared/webhooks", []string{"shared/..."}, nil},
}

// testSuites are packages for use in tests. They import testing.
var testSuites = []string{"shared/jobs/jobstest", "shared/media/mediatest", "shared/webhooks/webhookstest", "shared/queue/queuetest", "functions/converter/sandbox/sandboxtest", "functions/converter/mp3/mp3test"}

// drivers lists modules that only the given packages may import.
var drivers = []struct {
	module   string
	packages []string
}{
	{"go.mongodb.org/mongo-driver", []string{"shared/mongodb", "shared/jobs/mongodb", "shared/media/gridfs", "shared/webhooks/mongodb", "test/mongotest", "hack/cluster/images/mongo/mongosh"}},
	{"github.com/rabbitmq/amqp091-go", []string{"shared/queue/rabbitmq", "shared/queue/queuetest", "test/rabbitmqtest"}},
	{"github.com/go-sql-driver/mysql", []string{"functions/auth/login", "test/mysqltest"}},
	{"code.dny.dev/ssrf", []string{"shared/webhooks"}},
	{"github.com/standard-webhooks", []string{"shared/webhooks", "test/e2e/receiver"}},
	{"github.com/Shopify/toxiproxy", []string{"test/toxic"}},
	{"database/sql", []string{"functions/auth", "functions/auth/login", "shared/sqlite", "shared/jobs/sqlite", "shared/webhooks/sqlite", "test/mysqltest"}},
}

func TestImports(t *testing.T) {
	imports := listImports(t)
	for _, rule := range forbidden {
		for pkg, list := range imports {
			if !match(rule.packages, pkg) {
				continue
			}
			for _, imported := range list {
				if matchAny(rule.imports, imported) && !matchAny(rule.except, imported) && !bothTestSuites(pkg, imported) {
					t.Errorf("%s must not import %s", pkg, imported)
				}
			}
		}
	}
	for _, d := range drivers {
		for pkg, list := range imports {
			for _, imported := range list {
				if strings.HasPrefix(imported, d.module) && !slices.Contains(d.packages, pkg) {
					t.Errorf("%s imports %s, which only %v may import", pkg, imported, d.packages)
				}
			}
		}
	}
}

// bothTestSuites reports whether both packages belong to test suites, which may be split
// into several packages.
func bothTestSuites(pkg, imported string) bool {
	return inTestSuite(pkg) && inTestSuite(imported)
}

func inTestSuite(pkg string) bool {
	for _, suite := range testSuites {
		if match(suite+"/...", pkg) {
			return true
		}
	}
	return false
}

// Every function needs a rule against importing other functions.
func TestImportRulesNameEveryFunction(t *testing.T) {
	for pkg := range listImports(t) {
		name, ok := strings.CutPrefix(pkg, "functions/")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, "/")
		found := false
		for _, rule := range forbidden {
			found = found || rule.packages == "functions/"+name+"/..." && slices.Contains(rule.imports, "functions/...")
		}
		if !found {
			t.Errorf("no rule forbids functions/%s to import other functions", name)
		}
	}
}

// listImports returns the imports of every package, without those of its tests.
// The prefix mp3converter/ is removed.
func listImports(t *testing.T) map[string][]string {
	t.Helper()
	const module = "mp3converter/"
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for i := range fields {
			fields[i] = strings.TrimPrefix(fields[i], module)
		}
		imports[fields[0]] = fields[1:]
	}
	return imports
}

func matchAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, pkg) })
}

// match reports whether a package is that of a pattern, or below it if the pattern
// ends in "/...".
func match(pattern, pkg string) bool {
	parent, below := strings.CutSuffix(pattern, "/...")
	return pkg == parent || below && strings.HasPrefix(pkg, parent+"/")
}
