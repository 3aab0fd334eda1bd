package testproc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// ConfigMap returns the files in the ConfigMap of a manifest, which is given by its path
// in the repository. Servers for tests are configured like those of a cluster.
func ConfigMap(t testing.TB, path string) map[string]string {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(Root(t), path))
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(manifest), "\n---\n") {
		var config struct {
			Kind string            `json:"kind"`
			Data map[string]string `json:"data"`
		}
		if err := yaml.Unmarshal([]byte(document), &config); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if config.Kind == "ConfigMap" {
			return config.Data
		}
	}
	t.Fatalf("%s has no ConfigMap", path)
	return nil
}
