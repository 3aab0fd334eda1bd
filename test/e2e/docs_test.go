package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"mp3converter/test/testproc"
)

// The page still has the commands that the step runs, each once.
func TestOperationsPage(t *testing.T) {
	t.Chdir(testproc.Root(t))
	for _, text := range []string{logSearch, queueMetrics, restart, applyConverters} {
		if _, err := guideBlockWith(operationsPage, text); err != nil {
			t.Error(err)
		}
	}
}

// promtool accepts the configuration that is made of the PodMonitors.
func TestPrometheusConfig(t *testing.T) {
	t.Chdir(testproc.Root(t))
	config, rules, err := prometheusConfig("http://127.0.0.1:8001")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]any{"prometheus.yaml": config, "rules.yaml": rules} {
		text, err := yaml.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("promtool", "check", "config", filepath.Join(dir, "prometheus.yaml")).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
