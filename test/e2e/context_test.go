package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// kubectl is on a cluster whose context is "production". It appends its arguments to
// the file CALLS and can do nothing but print the context.
const kubectl = `#!/bin/sh
echo "$*" >>"$CALLS"
[ "$*" = "config current-context" ] || exit 1
echo production
`

// fakeKubectl puts kubectl into PATH, and returns a function that reports whether it was
// asked for more than the context.
func fakeKubectl(t *testing.T) (used func() bool) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(kubectl), 0o755); err != nil {
		t.Fatal(err)
	}
	calls := filepath.Join(dir, "calls")
	t.Setenv("CALLS", calls)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() bool {
		content, err := os.ReadFile(calls)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			if strings.TrimSpace(line) != "config current-context" {
				return true
			}
		}
		return false
	}
}

// The tests delete pods, so they touch no cluster that was not named.
func TestOnlyTheNamedClusterIsTouched(t *testing.T) {
	for _, test := range []struct {
		name, ingress, context string
		touched                bool
		output                 string // what the error names
	}{
		{"nothing named", "", "", false, "MP3_INGRESS"},
		{"no ingress", "", "production", false, "MP3_INGRESS"},
		{"no context", "http://127.0.0.1:1", "", false, `"production"`},
		{"another context", "http://127.0.0.1:1", "staging", false, `"production"`},
		{"both", "http://127.0.0.1:1", "production", true, ""},
	} {
		t.Run("run, "+test.name, func(t *testing.T) {
			used := fakeKubectl(t)
			t.Setenv("MP3_CLUSTER_CACHE", t.TempDir())
			t.Setenv("DEBIAN_MIRROR", "http://127.0.0.1:1") // hack/cluster would ask apt, which takes seconds
			t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "config"))
			t.Setenv("MP3_INGRESS", test.ingress)
			t.Setenv("MP3_E2E_CONTEXT", test.context)
			out, err := exec.Command("./run").CombinedOutput()
			if err == nil {
				t.Error("run succeeds without a cluster")
			}
			checkTouched(t, used(), test.touched, string(out), test.output)
		})
		t.Run("program, "+test.name, func(t *testing.T) {
			used := fakeKubectl(t)
			s, err := newSuite(context.Background(), config{ingress: test.ingress, context: test.context, host: "mp3converter.com"})
			if err == nil {
				s.close()
				t.Fatal("newSuite succeeds without a cluster")
			}
			checkTouched(t, used(), test.touched, err.Error(), test.output)
		})
	}
}

func checkTouched(t *testing.T, touched, want bool, output, part string) {
	t.Helper()
	if touched != want {
		t.Errorf("the cluster was touched: %v, want %v", touched, want)
	}
	if !strings.Contains(output, part) {
		t.Errorf("the error does not contain %s:\n%s", part, output)
	}
}
