// Command faults runs all fault tests and writes their results into the table of
// docs/reliability.md. It fails if a test fails or a number that must be zero is not.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"

	"mp3converter/test/faults/report"
)

const (
	page  = "docs/reliability.md"
	begin = "<!-- begin of the table of make faults -->\n"
	end   = "<!-- end of the table of make faults -->\n"
)

// The packages with fault tests. Each saves its rows with report.Save. Those of faults
// run beside the soak, whose load is light. The hostile clients run alone, because they
// measure times.
var (
	faults = []string{"./test/faults/crashes", "./test/faults/outages"}
	soak   = "./test/faults/soak"
	alone  = "./test/faults/clients"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("faults: ", err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	soaked := make(chan error, 1)
	go func() { soaked <- test(soak, dir) }()
	var failed error
	for _, pkg := range faults {
		failed = errors.Join(failed, test(pkg, dir))
	}
	failed = errors.Join(failed, <-soaked, test(alone, dir))
	rows, err := report.Load(dir)
	if err != nil {
		return err
	}
	rows = report.Merge(rows)
	if err := writePage(rows); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Broken() {
			failed = errors.Join(failed, fmt.Errorf("%s: a number is not zero", r.Fault))
		}
	}
	return failed
}

// test runs the tests of a package, which save their rows in a directory.
func test(pkg, rows string) error {
	cmd := exec.Command("go", "test", "-count=1", "-v", "-timeout=60m", pkg)
	cmd.Env = append(os.Environ(), "FAULTS=all", report.Variable+"="+rows, "GOFLAGS="+os.Getenv("GOFLAGS")+" -buildvcs=false")
	output, err := cmd.CombinedOutput()
	os.Stdout.Write(output)
	if err != nil {
		return fmt.Errorf("%s: %w", pkg, err)
	}
	return nil
}

// writePage replaces the table of the page.
func writePage(rows []report.Row) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table", page)
	}
	var b bytes.Buffer
	b.WriteString(before + begin)
	report.WriteTable(&b, rows)
	b.WriteString(end + after)
	return os.WriteFile(page, b.Bytes(), 0o644)
}
