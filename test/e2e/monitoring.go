package main

import (
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := startPrometheus(s)
	if err != nil {
		return err
	}
	defer p.stop()
	go p.discover(ctx, s.cluster)
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	if err := s.user.Login(ctx, s.user.email, s.user.password); err != nil { // wakes auth
		return err
	}
	if _, err := s.convertShort(ctx); err != nil {
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
	dir string
	url string
}

// startPrometheus starts Prometheus on this machine. It reaches the pods through the API
// server, as kubectl does, and reads from a file which pods there are, because Debian
// builds it without support for Kubernetes.
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
	p := &prometheus{dir: dir, url: "http://" + address, cmd: exec.Command("prometheus",
		"--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// discover writes the pods of the service to the file of targets until ctx ends.
func (p *prometheus) discover(ctx context.Context, c *cluster) {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := p.writeTargets(ctx, c); err != nil && ctx.Err() == nil {
			fmt.Println("   targets not updated:", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// writeTargets replaces the file, which Prometheus may read at any time.
func (p *prometheus) writeTargets(ctx context.Context, c *cluster) error {
	targets, err := c.targets(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(targets)
	if err != nil {
		return err
	}
	path := filepath.Join(p.dir, targetsFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

const targetsFile = "targets.json"

// target is a port of a pod.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// targets returns the ports of the running pods, with the labels that Prometheus's
// support for Kubernetes gives to them.
func (c *cluster) targets(ctx context.Context) ([]target, error) {
	var list struct {
		Items []struct {
			Metadata struct {
				Name   string
				Labels map[string]string
			}
			Spec struct {
				Containers []struct {
					Ports []struct {
						Name          string
						ContainerPort int
					}
				}
			}
			Status struct{ Phase, PodIP string }
		}
	}
	if err := c.get(ctx, "/api/v1/namespaces/"+namespace+"/pods", &list); err != nil {
		return nil, err
	}
	targets := []target{}
	for _, pod := range list.Items {
		if pod.Status.Phase != "Running" {
			continue
		}
		for _, container := range pod.Spec.Containers {
			for _, port := range container.Ports {
				labels := map[string]string{
					"__meta_kubernetes_namespace":               namespace,
					"__meta_kubernetes_pod_name":                pod.Metadata.Name,
					"__meta_kubernetes_pod_container_port_name": port.Name,
				}
				for name, value := range pod.Metadata.Labels {
					labels[metaLabel(name)] = value
				}
				targets = append(targets, target{[]string{fmt.Sprintf("%s:%d", pod.Status.PodIP, port.ContainerPort)}, labels})
			}
		}
	}
	return targets, nil
}

// metaLabel returns Prometheus's name of a pod's label.
func metaLabel(name string) string {
	return "__meta_kubernetes_pod_label_" + strings.NewReplacer(".", "_", "/", "_", "-", "_").Replace(name)
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
	relabel := []object{
		{"action": "keep", "source_labels": []string{"__meta_kubernetes_pod_container_port_name"}, "regex": *e.Port},
		{"source_labels": []string{"__meta_kubernetes_namespace"}, "target_label": "namespace"},
		{"source_labels": []string{"__meta_kubernetes_pod_name"}, "target_label": "pod"},
	}
	for name, value := range m.Spec.Selector.MatchLabels {
		relabel = append(relabel, object{"action": "keep", "source_labels": []string{metaLabel(name)}, "regex": value})
	}
	for _, r := range m.Spec.Selector.MatchExpressions {
		if r.Operator != "Exists" {
			return nil, fmt.Errorf("pod monitor %s: operator %s is not supported", m.Name, r.Operator)
		}
		relabel = append(relabel, object{"action": "keep", "source_labels": []string{metaLabel(r.Key)}, "regex": ".+"})
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
		"file_sd_configs": []object{{"files": []string{targetsFile}}},
		"scrape_interval": e.Interval,
		"honor_labels":    e.HonorLabels,
		"relabel_configs": relabel,
	}
	if len(e.Params) > 0 {
		scrape["params"] = e.Params
	}
	return scrape, nil
}
