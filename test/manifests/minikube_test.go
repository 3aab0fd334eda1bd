package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMinikubeVersions checks that Minikube uses the version of Knative in go.mod, and
// the settings of the cluster.
func TestMinikubeVersions(t *testing.T) {
	read := func(name ...string) string {
		content, err := os.ReadFile(filepath.Join(append([]string{root}, name...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	// Knative release 1.N has modules of version 0.(N+27).
	var minor, patch int
	module := regexp.MustCompile(`knative.dev/serving v0\.\d+\.\d+`).FindString(read("go.mod"))
	if _, err := fmt.Sscanf(module, "knative.dev/serving v0.%d.%d", &minor, &patch); err != nil {
		t.Fatalf("go.mod: %v", err)
	}
	want := fmt.Sprintf("\nKNATIVE=knative-v1.%d.%d\n", minor-27, patch)
	if !strings.Contains(read("hack", "minikube", "versions"), want) {
		t.Errorf("hack/minikube/versions does not contain %q", strings.TrimSpace(want))
	}
	setting := fmt.Sprintf(`"max-revision-timeout-seconds": "%d"`, defaults(t).MaxRevisionTimeoutSeconds)
	if !strings.Contains(read("hack", "minikube", "up"), setting) {
		t.Errorf("hack/minikube/up does not set %s", setting)
	}
}
