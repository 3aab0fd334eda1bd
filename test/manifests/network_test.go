package manifests

import (
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// endpoint is one end of a connection: a pod, or the Internet if namespace is empty.
type endpoint struct {
	namespace string
	labels    labels.Set
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
			if other.namespace == "" && (peer.IPBlock.CIDR == "0.0.0.0/0" || peer.IPBlock.CIDR == "::/0") {
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

func TestAllowedConnections(t *testing.T) {
	objects := readManifests(t)
	var ps policies
	for _, p := range byName[*networkingv1.NetworkPolicy](objects) {
		ps = append(ps, p)
	}
	at := map[string]endpoint{
		"internet":   {},
		"activator":  {"knative-serving", labels.Set{"app": "activator"}},
		"ingress":    {"traefik", labels.Set{"app": "traefik"}},
		"dns":        {"kube-system", labels.Set{"k8s-app": "kube-dns"}},
		"prometheus": {"monitoring", labels.Set{"app": "prometheus"}},
		"stranger":   {namespace, labels.Set{"app": "stranger"}},
	}
	for _, p := range pods(objects) {
		at[p.name] = endpoint{namespace, p.labels}
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
		{"auth", "dns", 53, true},
		{"converter", "dns", 53, true},
		{"source mp3", "dns", 5353, true},

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
		{"ingress", "mongodb", mongodb, false},
		{"ingress", "converter", 8080, false},
		{"activator", "mysql", mysql, false},
		{"mysql", "internet", 443, false},
		{"rabbitmq", "internet", 443, false},
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
	var ps policies
	for _, p := range byName[*networkingv1.NetworkPolicy](objects) {
		ps = append(ps, p)
	}
	stores := map[string]endpoint{}
	for _, p := range pods(objects) {
		stores[p.name] = endpoint{namespace, p.labels}
	}
	for _, f := range functions(t) {
		for store, port := range map[string]int{"mongodb": 27017, "rabbitmq": 5672, "mysql": 3306} {
			hasCredentials := false
			for _, name := range secretsOf(f.pod) {
				hasCredentials = hasCredentials || name == store || strings.HasPrefix(name, store+"-")
			}
			if allowed := ps.allow(endpoint{namespace, f.labels}, stores[store], port); allowed != hasCredentials {
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
