package openapitest

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Scope is the part of a document that the tests of one package cover.
type Scope struct {
	// Paths reports whether a path of the document belongs to the package. nil means all.
	Paths func(path string) bool

	// Exceptions are parts that the tests cannot make occur, by the names in the report,
	// with the reason.
	Exceptions map[string]string
}

// Main runs the tests and returns the exit status. If all tests of the package have run
// and passed, it also fails if something in the scope is documented but never occurred.
func (r *Recorder) Main(m *testing.M, scope Scope) int {
	status := m.Run()
	if status != 0 || !wholePackage() {
		return status
	}
	missing := r.Missing(scope)
	for _, line := range missing {
		fmt.Fprintln(os.Stderr, "OpenAPI document:", line)
	}
	if len(missing) > 0 {
		return 1
	}
	return 0
}

// wholePackage reports whether no flag has left out a test.
func wholePackage() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.bench"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return !testing.Short()
}
