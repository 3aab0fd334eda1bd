package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// runMonitoring scrapes the cluster with a Prometheus that is configured from
// knative/monitoring, and checks that the metrics of the alerts exist, that no function
// is kept from scaling to zero, and that what was counted is still there afterwards.
func runMonitoring(ctx context.Context, s *suite) error {
	p, err := startPrometheus(s)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	if err := s.user.Login(ctx, s.user.email, s.user.password); err != nil { // wakes auth
		return err
	}
	if _, err := convertOne(ctx, s); err != nil {
		return err
	}
	start := time.Now()
	for _, query := range []string{
		`mp3converter_http_request_seconds_count{function="gateway",route="POST /upload",status="202"}`,
		`mp3converter_http_request_seconds_count{function="auth",status="200"}`,
		`mp3converter_conversion_seconds_count{function="converter",outcome="done"}`,
		`mp3converter_http_request_seconds_count{function="notification",status="204"}`,
		`rabbitmq_detailed_queue_messages_ready{namespace="mp3converter",queue="video.dead"}`,
		`rabbitmq_detailed_queue_consumers{namespace="mp3converter",queue="video"} > 0`,
		`rabbitmq_alarms_memory_used_watermark{namespace="mp3converter"}`,
		`rabbitmq_alarms_free_disk_space_watermark{namespace="mp3converter"}`,
	} {
		if err := poll(ctx, time.Second, func() (bool, error) { return p.has(ctx, query) }); err != nil {
			return err
		}
	}
	fmt.Printf("   all metrics %.0f s after the conversion\n", time.Since(start).Seconds())
	if err := s.cluster.waitNoPods(ctx); err != nil {
		return err
	}
	fmt.Printf("   no pods after %.0f s\n", time.Since(start).Seconds())
	const upload = `mp3converter:http_requests:increase10m{function="gateway",route="POST /upload",status="202"} > 0`
	if ok, err := p.has(ctx, upload); !ok {
		return fmt.Errorf("after the pods have gone: %w", err)
	}
	return nil
}

// prometheus is a running server.
type prometheus struct {
	cmd *exec.Cmd
	log *bytes.Buffer
	url string
}

// startPrometheus starts Prometheus on this machine. It reaches the pods through the API
// server, as kubectl does.
func startPrometheus(s *suite) (*prometheus, error) {
	dir, err := os.MkdirTemp(s.dir, "prometheus-")
	if err != nil {
		return nil, err
	}
	config, rules, err := prometheusConfig(s.cluster.api)
	if err != nil {
		return nil, err
	}
	for name, content := range map[string]any{"prometheus.yaml": config, "rules.yaml": rules} {
		text, err := yaml.Marshal(content)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	p := &prometheus{log: new(bytes.Buffer), url: "http://" + address, cmd: exec.Command("prometheus",
		"--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *prometheus) stop() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// has reports whether a query has a result, or why not.
func (p *prometheus) has(ctx context.Context, query string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return false, err
	}
	if answer.Error != "" {
		return false, errors.New(answer.Error)
	}
	return len(answer.Data.Result) > 0, fmt.Errorf("no result of %s", query)
}

type object map[string]any

// prometheusConfig returns the configuration for the PodMonitors of knative/monitoring,
// and its rules.
func prometheusConfig(api string) (config object, rules monitoringv1.PrometheusRuleSpec, err error) {
	text, err := os.ReadFile("knative/monitoring/rules.yaml")
	if err != nil {
		return nil, rules, err
	}
	var rule monitoringv1.PrometheusRule
	if err := yaml.UnmarshalStrict(text, &rule); err != nil {
		return nil, rules, err
	}
	text, err = os.ReadFile("knative/monitoring/pod-monitors.yaml")
	if err != nil {
		return nil, rules, err
	}
	var scrapes []object
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var m monitoringv1.PodMonitor
		if err := yaml.UnmarshalStrict([]byte(document), &m); err != nil {
			return nil, rules, err
		}
		for i, e := range m.Spec.PodMetricsEndpoints {
			scrape, err := scrapeConfig(api, m, e)
			if err != nil {
				return nil, rules, err
			}
			scrape["job_name"] = fmt.Sprintf("%s/%d", m.Name, i)
			scrapes = append(scrapes, scrape)
		}
	}
	return object{
		"global":         object{"evaluation_interval": "5s"},
		"rule_files":     []string{"rules.yaml"},
		"scrape_configs": scrapes,
	}, rule.Spec, nil
}

// scrapeConfig translates an endpoint as the Prometheus operator does. Then it changes
// the target to that of the API server's proxy.
func scrapeConfig(api string, m monitoringv1.PodMonitor, e monitoringv1.PodMetricsEndpoint) (object, error) {
	label := func(name string) string {
		return "__meta_kubernetes_pod_label_" + strings.NewReplacer(".", "_", "/", "_", "-", "_").Replace(name)
	}
	relabel := []object{
		{"action": "keep", "source_labels": []string{"__meta_kubernetes_pod_container_port_name"}, "regex": *e.Port},
		{"source_labels": []string{"__meta_kubernetes_namespace"}, "target_label": "namespace"},
		{"source_labels": []string{"__meta_kubernetes_pod_name"}, "target_label": "pod"},
	}
	for name, value := range m.Spec.Selector.MatchLabels {
		relabel = append(relabel, object{"action": "keep", "source_labels": []string{label(name)}, "regex": value})
	}
	for _, r := range m.Spec.Selector.MatchExpressions {
		if r.Operator != "Exists" {
			return nil, fmt.Errorf("pod monitor %s: operator %s is not supported", m.Name, r.Operator)
		}
		relabel = append(relabel, object{"action": "keep", "source_labels": []string{label(r.Key)}, "regex": ".+"})
	}
	for _, r := range e.RelabelConfigs {
		rule := object{"target_label": r.TargetLabel}
		var sources []string
		for _, l := range r.SourceLabels {
			sources = append(sources, string(l))
		}
		rule["source_labels"] = sources
		if r.Regex != "" {
			rule["regex"] = r.Regex
		}
		if r.Replacement != nil {
			rule["replacement"] = *r.Replacement
		}
		relabel = append(relabel, rule)
	}
	path := e.Path
	if path == "" {
		path = "/metrics"
	}
	proxy := strings.TrimPrefix(api, "http://")
	relabel = append(relabel,
		object{"source_labels": []string{"pod", "__address__"}, "regex": `(.+);.+:(\d+)`, "replacement": "$1:$2", "target_label": "instance"},
		object{"source_labels": []string{"instance"}, "replacement": "/api/v1/namespaces/" + namespace + "/pods/$1/proxy" + path, "target_label": "__metrics_path__"},
		object{"replacement": proxy, "target_label": "__address__"},
	)
	scrape := object{
		"kubernetes_sd_configs": []object{{"role": "pod", "api_server": api, "namespaces": object{"names": []string{namespace}}}},
		"scrape_interval":       e.Interval,
		"honor_labels":          e.HonorLabels,
		"relabel_configs":       relabel,
	}
	if len(e.Params) > 0 {
		scrape["params"] = e.Params
	}
	return scrape, nil
}
