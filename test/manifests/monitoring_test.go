package manifests

import (
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
)

// userPort is the name that Knative gives to the port of a function's container.
const userPort = "user-port"

// Every PodMonitor selects pods that declare its port, and the functions serve metrics at
// the port to which its address is changed.
func TestPodMonitors(t *testing.T) {
	objects := readManifests(t)
	monitored := map[string]bool{}
	for name, m := range byName[*monitoringv1.PodMonitor](objects) {
		selected := 0
		for _, p := range pods(objects) {
			if !matches(&m.Spec.Selector, p.labels) {
				continue
			}
			selected++
			monitored[p.name] = true
			for _, e := range m.Spec.PodMetricsEndpoints {
				if !slices.Contains(portNames(objects, p), *e.Port) {
					t.Errorf("pod monitor %s: %s has no port %s", name, p.name, *e.Port)
				}
				for _, r := range e.RelabelConfigs {
					if r.TargetLabel != "__address__" {
						continue
					}
					_, port, _ := strings.Cut(*r.Replacement, ":")
					if address := envValue(t, p.spec, "METRICS_ADDR"); address != ":"+port {
						t.Errorf("pod monitor %s: scrapes port %s, but METRICS_ADDR of %s is %s", name, port, p.name, address)
					}
				}
			}
		}
		if selected == 0 {
			t.Errorf("pod monitor %s selects no pod", name)
		}
	}
	for _, p := range pods(objects) {
		if len(p.spec.Containers) > 0 && envValue(t, p.spec, "METRICS_ADDR") != "" && !monitored[p.name] {
			t.Errorf("%s has metrics, but no pod monitor selects it", p.name)
		}
	}
}

func portNames(objects []object, p pod) []string {
	if byName[*servingv1.Service](objects)[p.name] != nil {
		return []string{userPort}
	}
	var names []string
	for _, c := range p.containers() {
		for _, port := range c.Ports {
			names = append(names, port.Name)
		}
	}
	return names
}

// The optional ConfigMap sets variables of the janitor, and the address in it is that of
// the Service.
func TestOptionalConfigMapOfJanitor(t *testing.T) {
	objects := readManifests(t)
	known := variables(t, "janitor")
	config, ok := byName[*corev1.ConfigMap](objects)["monitoring"]
	if !ok {
		t.Fatal("no ConfigMap monitoring")
	}
	for name := range config.Data {
		if _, ok := known[name]; !ok {
			t.Errorf("functions/janitor does not read %s", name)
		}
	}
	if want := "http://pushgateway." + namespace + ".svc.cluster.local:9091"; config.Data["PUSHGATEWAY_URL"] != want {
		t.Errorf("PUSHGATEWAY_URL is %s, want %s", config.Data["PUSHGATEWAY_URL"], want)
	}
	for _, f := range functions(t) {
		reads := false
		for _, e := range f.container.EnvFrom {
			reads = reads || e.ConfigMapRef != nil && e.ConfigMapRef.Name == "monitoring" && isTrue(e.ConfigMapRef.Optional)
		}
		if janitor := f.function == "janitor"; reads != janitor {
			t.Errorf("%s: reads the ConfigMap monitoring = %v, want %v", f.name, reads, janitor)
		}
	}
}
