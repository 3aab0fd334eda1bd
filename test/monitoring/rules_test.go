// Package monitoring tests the alert rules of knative/monitoring with promtool, and that
// the metrics that they use exist.
package monitoring

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"

	"mp3converter/test/testproc"
)

// readRules returns the rules of the manifest.
func readRules(t *testing.T) monitoringv1.PrometheusRuleSpec {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testproc.Root(t), "knative", "monitoring", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest monitoringv1.PrometheusRule
	if err := yaml.UnmarshalStrict(text, &manifest); err != nil {
		t.Fatal(err)
	}
	return manifest.Spec
}

// writeRules writes the rules as Prometheus reads them to rules.yaml in a directory.
func writeRules(t *testing.T, dir string) {
	t.Helper()
	text, err := yaml.Marshal(readRules(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", args[0], err, out)
	}
}

func TestRules(t *testing.T) {
	dir := t.TempDir()
	writeRules(t, dir)
	promtool(t, dir, "check", "rules", "--lint-fatal", "rules.yaml")
}

// Each alert fires in the cases of testdata/alerts.yaml, and does not in others.
func TestAlerts(t *testing.T) {
	dir := t.TempDir()
	writeRules(t, dir)
	cases, err := os.ReadFile(filepath.Join("testdata", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "alerts.yaml"), cases, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, dir, "test", "rules", "alerts.yaml")
}

func TestEveryAlertHasCases(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			AlertRules []struct {
				Name   string     `json:"alertname"`
				Alerts []struct{} `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, c := range file.Tests {
		for _, a := range c.AlertRules {
			fires[a.Name] = fires[a.Name] || len(a.Alerts) > 0
			silent[a.Name] = silent[a.Name] || len(a.Alerts) == 0
		}
	}
	alerts := 0
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			alerts++
			if !fires[r.Alert] || !silent[r.Alert] {
				t.Errorf("%s: there is a case in which it fires: %v; in which it does not: %v", r.Alert, fires[r.Alert], silent[r.Alert])
			}
		}
	}
	if alerts < 10 {
		t.Errorf("found only %d alerts", alerts)
	}
}

// others are the metrics of other programs that the rules use. The end-to-end test
// reads those of RabbitMQ from a server; Kubernetes documents the kubelet's.
var others = []string{
	"rabbitmq_detailed_queue_consumers", "rabbitmq_detailed_queue_messages_ready",
	"rabbitmq_alarms_memory_used_watermark", "rabbitmq_alarms_free_disk_space_watermark",
	"kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes",
}

// The rules use only metrics that exist.
func TestMetricsExist(t *testing.T) {
	known := append(metricsInCode(t), others...)
	used := regexp.MustCompile(`\b(?:mp3converter|rabbitmq|kubelet)(?::?[a-z0-9_]+)+`)
	checked := 0
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				known = append(known, r.Record)
			}
		}
	}
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			// Without the label matchers, whose values are no metrics.
			expression := regexp.MustCompile(`{[^}]*}`).ReplaceAllString(r.Expr.String(), "")
			for _, name := range used.FindAllString(expression, -1) {
				checked++
				if !slices.Contains(known, name) && !slices.Contains(known, strings.TrimSuffix(name, "_count")) {
					t.Errorf("%s%s: nothing exports %s", r.Alert, r.Record, name)
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("found only %d metrics", checked)
	}
}

// metricsInCode returns the names of the metrics that the functions define.
func metricsInCode(t *testing.T) []string {
	t.Helper()
	definition := regexp.MustCompile(`(?:Name:\s*|NewDesc\()"(mp3converter_[a-z0-9_]+)"`)
	var found []string
	for _, dir := range []string{"functions", "shared"} {
		err := filepath.WalkDir(filepath.Join(testproc.Root(t), dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range definition.FindAllStringSubmatch(string(text), -1) {
				found = append(found, m[1])
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
