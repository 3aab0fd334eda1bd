package manifests

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// endpoint is one end of a connection: a pod, or an address outside the cluster or of
// a node if namespace is empty.
type endpoint struct {
	namespace string
	labels    labels.Set
	address   string
}

// policies evaluates NetworkPolicies as a network plugin does: a connection must be
// allowed by the egress policies that select its source and by the ingress policies
// that select its destination. A pod that no policy selects is not restricted.
type policies []*networkingv1.NetworkPolicy

func (ps policies) allow(from, to endpoint, port int) bool {
	return ps.allowEgress(from, to, port) && ps.allowIngress(from, to, port)
}

func (ps policies) allowEgress(from, to endpoint, port int) bool {
	selected := false
	for _, p := range ps {
		if from.namespace != p.Namespace || !hasType(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) || !matches(&p.Spec.PodSelector, from.labels) {
			continue
		}
		selected = true
		for _, rule := range p.Spec.Egress {
			if matchesPort(rule.Ports, port) && matchesPeer(rule.To, p.Namespace, to) {
				return true
			}
		}
	}
	return !selected
}

func (ps policies) allowIngress(from, to endpoint, port int) bool {
	selected := false
	for _, p := range ps {
		if to.namespace != p.Namespace || !hasType(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) || !matches(&p.Spec.PodSelector, to.labels) {
			continue
		}
		selected = true
		for _, rule := range p.Spec.Ingress {
			if matchesPort(rule.Ports, port) && matchesPeer(rule.From, p.Namespace, from) {
				return true
			}
		}
	}
	return !selected
}

func matchesPeer(list []networkingv1.NetworkPolicyPeer, policyNamespace string, other endpoint) bool {
	for _, peer := range list {
		switch {
		case peer.IPBlock != nil:
			if other.address != "" && inBlock(peer.IPBlock, netip.MustParseAddr(other.address)) {
				return true
			}
		case other.namespace == "":
		case peer.NamespaceSelector == nil:
			if other.namespace == policyNamespace && matches(peer.PodSelector, other.labels) {
				return true
			}
		default:
			name := labels.Set{"kubernetes.io/metadata.name": other.namespace}
			if matches(peer.NamespaceSelector, name) && (peer.PodSelector == nil || matches(peer.PodSelector, other.labels)) {
				return true
			}
		}
	}
	return len(list) == 0
}

func inBlock(block *networkingv1.IPBlock, address netip.Addr) bool {
	for _, except := range block.Except {
		if netip.MustParsePrefix(except).Contains(address) {
			return false
		}
	}
	return netip.MustParsePrefix(block.CIDR).Contains(address)
}

func matchesPort(list []networkingv1.NetworkPolicyPort, port int) bool {
	for _, p := range list {
		if p.Port == nil || *p.Port == intstr.FromInt32(int32(port)) {
			return true
		}
	}
	return len(list) == 0
}

func hasType(types []networkingv1.PolicyType, t networkingv1.PolicyType) bool {
	for _, have := range types {
		if have == t {
			return true
		}
	}
	return false
}

func matches(selector *metav1.LabelSelector, set labels.Set) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(set)
}

func readPolicies(objects []object) policies {
	var ps policies
	for _, p := range byName[*networkingv1.NetworkPolicy](objects) {
		ps = append(ps, p)
	}
	return ps
}

func TestAllowedConnections(t *testing.T) {
	objects := readManifests(t)
	ps := readPolicies(objects)
	at := map[string]endpoint{
		"internet":         {address: "203.0.113.7"},
		"internet, IPv6":   {address: "2001:db8::7"},
		"node":             {address: "10.128.0.5"},
		"node, 172.16/12":  {address: "172.20.1.5"},
		"node, 192.168/16": {address: "192.168.49.2"},
		"node, 100.64/10":  {address: "100.64.3.5"},
		"node, IPv6":       {address: "fd00:10::5"},
		"metadata":         {address: "169.254.169.254"},
		"dns cache":        {address: "169.254.20.10"},
		"activator":        {namespace: "knative-serving", labels: labels.Set{"app": "activator"}},
		"ingress":          {namespace: "traefik", labels: labels.Set{"app": "traefik"}},
		"kourier":          {namespace: "kourier-system", labels: labels.Set{"app": "3scale-kourier-gateway"}},
		"istio":            {namespace: "istio-system", labels: labels.Set{"istio": "ingressgateway"}},
		"contour":          {namespace: "contour-internal", labels: labels.Set{"app": "envoy"}},
		"dns":              {namespace: "kube-system", labels: labels.Set{"k8s-app": "kube-dns"}},
		"openshift dns":    {namespace: "openshift-dns", labels: labels.Set{"dns.operator.openshift.io/daemonset-dns": "default"}},
		"prometheus":       {namespace: "monitoring", labels: labels.Set{"app": "prometheus"}},
		"foreign":          {namespace: "default", labels: labels.Set{"app": "converter"}},
		"stranger":         {namespace: namespace, labels: labels.Set{"app": "stranger"}},
	}
	for _, p := range pods(objects) {
		at[p.name] = endpoint{namespace: namespace, labels: p.labels}
	}
	const (
		mongodb, rabbitmq, mysql = 27017, 5672, 3306
		proxy, load, private     = 8012, 9090, 8001
	)
	for _, c := range []struct {
		from, to string
		port     int
		want     bool
	}{
		// Connections that the service needs.
		{"gateway", "mongodb", mongodb, true},
		{"gateway", "rabbitmq", rabbitmq, true},
		{"gateway", "ingress", private, true}, // to auth
		{"auth", "mysql", mysql, true},
		{"converter", "mongodb", mongodb, true},
		{"converter", "rabbitmq", rabbitmq, true},
		{"notification", "mongodb", mongodb, true},
		{"notification", "internet", 587, true},
		{"notification", "internet", 443, true},
		{"janitor-wake", "mongodb", mongodb, true},
		{"janitor-wake", "rabbitmq", rabbitmq, true},
		{"janitor-orphans", "mongodb", mongodb, true},
		{"source video", "rabbitmq", rabbitmq, true},
		{"source video", "ingress", private, true},
		{"source mp3", "ingress", private, true},
		{"activator", "gateway", proxy, true},
		{"activator", "auth", proxy, true},
		{"activator", "converter", proxy, true},
		{"activator", "notification", load, true},
		{"rabbitmq", "rabbitmq", 25672, true},
		{"mongodb", "mongodb", mongodb, true},
		{"prometheus", "converter", 9464, true},
		{"prometheus", "rabbitmq", 15692, true},
		{"prometheus", "pushgateway", 9091, true},
		{"janitor-wake", "pushgateway", 9091, true},
		{"janitor-orphans", "pushgateway", 9091, true},
		{"auth", "dns", 53, true},
		{"converter", "dns", 53, true},
		{"source mp3", "dns", 5353, true},
		{"converter", "openshift dns", 5353, true},
		{"converter", "dns cache", 53, true},
		{"converter", "metadata", 53, true}, // Cloud DNS on GKE
		{"gateway", "kourier", 8081, true},
		{"gateway", "istio", 8081, true},
		{"gateway", "contour", 8080, true},
		{"source video", "kourier", 8444, true},
		{"source mp3", "istio", 8444, true},
		{"source mp3", "contour", 8443, true},
		{"notification", "internet, IPv6", 465, true},

		// Connections that a compromised pod must not be able to make. The converter
		// is the most exposed, because it parses uploaded files.
		{"converter", "internet", 443, false},
		{"converter", "mysql", mysql, false},
		{"converter", "ingress", private, false},
		{"converter", "gateway", proxy, false},
		{"converter", "auth", 8080, false},
		{"converter", "rabbitmq", 15672, false},
		{"converter", "activator", 8012, false},
		{"gateway", "mysql", mysql, false},
		{"gateway", "internet", 443, false},
		{"auth", "mongodb", mongodb, false},
		{"auth", "internet", 443, false},
		{"notification", "rabbitmq", rabbitmq, false},
		{"notification", "mysql", mysql, false},
		{"janitor-wake", "mysql", mysql, false},
		{"janitor-wake", "internet", 443, false},
		{"source video", "mongodb", mongodb, false},
		{"stranger", "mongodb", mongodb, false},
		{"stranger", "rabbitmq", rabbitmq, false},
		{"stranger", "auth", proxy, false},
		{"stranger", "pushgateway", 9091, false},
		{"converter", "pushgateway", 9091, false},
		{"pushgateway", "mongodb", mongodb, false},
		{"ingress", "mongodb", mongodb, false},
		{"ingress", "converter", 8080, false},
		{"activator", "mysql", mysql, false},
		{"mysql", "internet", 443, false},
		{"rabbitmq", "internet", 443, false},
		{"foreign", "mongodb", mongodb, false},
		{"foreign", "rabbitmq", 15672, false},
		{"foreign", "mysql", mysql, false},
		{"converter", "metadata", 80, false},
		{"converter", "internet", 53, false},
		{"stranger", "internet", 443, false},
		{"stranger", "ingress", private, false},
		{"gateway", "ingress", 8000, false}, // the public entry point
		{"gateway", "kourier", 8080, false},
		{"gateway", "foreign", 8080, false},
		{"gateway", "foreign", mongodb, false},
		{"gateway", "activator", 8012, false},
		{"source video", "foreign", 80, false},
		{"source video", "activator", 8012, false},
		{"notification", "metadata", 80, false},
		{"notification", "node", 443, false},
		{"notification", "node, 172.16/12", 443, false},
		{"notification", "node, 192.168/16", 443, false},
		{"notification", "node, 100.64/10", 443, false},
		{"notification", "node, IPv6", 443, false},
		{"notification", "ingress", 443, false},
	} {
		from, ok := at[c.from]
		to, toOK := at[c.to]
		if !ok || !toOK {
			t.Errorf("no manifest creates the pod %s or %s", c.from, c.to)
			continue
		}
		if got := ps.allow(from, to, c.port); got != c.want {
			t.Errorf("%s to %s, port %d: allowed = %v, want %v", c.from, c.to, c.port, got, c.want)
		}
	}
}

// A function can connect to a store if and only if it has credentials for it.
func TestCredentialsAndNetworkAgree(t *testing.T) {
	objects := readManifests(t)
	ps := readPolicies(objects)
	stores := map[string]endpoint{}
	for _, p := range pods(objects) {
		stores[p.name] = endpoint{namespace: namespace, labels: p.labels}
	}
	for _, f := range functions(t) {
		for store, port := range map[string]int{"mongodb": 27017, "rabbitmq": 5672, "mysql": 3306} {
			hasCredentials := false
			for _, name := range secretsOf(f.pod) {
				hasCredentials = hasCredentials || name == store || strings.HasPrefix(name, store+"-")
			}
			if allowed := ps.allow(endpoint{namespace: namespace, labels: f.labels}, stores[store], port); allowed != hasCredentials {
				t.Errorf("%s: %s: has credentials = %v, can connect = %v", f.name, store, hasCredentials, allowed)
			}
		}
	}
}

// A policy that selects nothing protects nothing.
func TestPoliciesSelectSomething(t *testing.T) {
	objects := readManifests(t)
	for name, p := range byName[*networkingv1.NetworkPolicy](objects) {
		found := false
		for _, pod := range pods(objects) {
			found = found || matches(&p.Spec.PodSelector, pod.labels)
		}
		if !found {
			t.Errorf("policy %s selects no pod", name)
		}
	}
}

// The gateway and the sources reach the same cluster-local ingresses.
func TestClientsOfTheIngressAgree(t *testing.T) {
	ps := byName[*networkingv1.NetworkPolicy](readManifests(t))
	gateway, sources := ps["gateway-to-ingress"], ps["sources-to-ingress"]
	if gateway == nil || sources == nil {
		t.Fatal("no policy gateway-to-ingress or sources-to-ingress")
	}
	if !reflect.DeepEqual(gateway.Spec.Egress, sources.Spec.Egress) {
		t.Errorf("the ingresses differ:\n%+v\n%+v", gateway.Spec.Egress, sources.Spec.Egress)
	}
}

// The files in knative/network are not applied by default. Each allows connections to
// the addresses that it names, and nothing else.
func TestOptionalPolicies(t *testing.T) {
	objects := readManifests(t)
	from := map[string]endpoint{"stranger": {namespace: namespace}}
	for _, p := range pods(objects) {
		from[p.name] = endpoint{namespace: namespace, labels: p.labels}
	}
	const mongodb, mysql, mail, elsewhere = "198.51.100.10", "198.51.100.20", "10.0.0.25", "198.51.100.99"
	for _, c := range []struct {
		file, from, address string
		port                int
		want                bool
	}{
		{"external-stores.yaml", "gateway", mongodb, 27017, true},
		{"external-stores.yaml", "converter", mongodb, 27017, true},
		{"external-stores.yaml", "notification", mongodb, 27017, true},
		{"external-stores.yaml", "janitor-wake", mongodb, 27017, true},
		{"external-stores.yaml", "auth", mysql, 3306, true},
		{"external-stores.yaml", "auth", mongodb, 27017, false},
		{"external-stores.yaml", "converter", mysql, 3306, false},
		{"external-stores.yaml", "converter", mongodb, 22, false},
		{"external-stores.yaml", "converter", elsewhere, 27017, false},
		{"external-stores.yaml", "source video", mongodb, 27017, false},
		{"external-stores.yaml", "stranger", mongodb, 27017, false},
		{"mail-server.yaml", "notification", mail, 587, true},
		{"mail-server.yaml", "notification", mail, 443, false},
		{"mail-server.yaml", "converter", mail, 587, false},
	} {
		name := filepath.Join("knative", "network", c.file)
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		optional, err := decode(name, content)
		if err != nil {
			t.Fatal(err)
		}
		to := endpoint{address: c.address}
		ps := readPolicies(objects)
		if ps.allow(from[c.from], to, c.port) {
			t.Errorf("%s to %s, port %d: allowed without %s", c.from, c.address, c.port, c.file)
		}
		ps = append(ps, readPolicies(optional)...)
		if got := ps.allow(from[c.from], to, c.port); got != c.want {
			t.Errorf("%s to %s, port %d with %s: allowed = %v, want %v", c.from, c.address, c.port, c.file, got, c.want)
		}
	}
}
