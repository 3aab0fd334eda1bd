package manifests

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// place is one end of a connection: a pod, or with an empty namespace the world.
type place struct {
	namespace string
	labels    labels.Set
}

// policies decide as a network plugin would: a connection needs the leave of the
// policies that select its origin and of those that select its destination. Where
// none selects a pod, everything is allowed.
type policies []*networkingv1.NetworkPolicy

func (ps policies) allow(from, to place, port int) bool {
	return ps.leave(from, to, port) && ps.enter(from, to, port)
}

func (ps policies) leave(from, to place, port int) bool {
	selected := false
	for _, p := range ps {
		if from.namespace != p.Namespace || !has(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) || !matches(&p.Spec.PodSelector, from.labels) {
			continue
		}
		selected = true
		for _, rule := range p.Spec.Egress {
			if ports(rule.Ports, port) && peers(rule.To, p.Namespace, to) {
				return true
			}
		}
	}
	return !selected
}

func (ps policies) enter(from, to place, port int) bool {
	selected := false
	for _, p := range ps {
		if to.namespace != p.Namespace || !has(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) || !matches(&p.Spec.PodSelector, to.labels) {
			continue
		}
		selected = true
		for _, rule := range p.Spec.Ingress {
			if ports(rule.Ports, port) && peers(rule.From, p.Namespace, from) {
				return true
			}
		}
	}
	return !selected
}

func peers(list []networkingv1.NetworkPolicyPeer, home string, who place) bool {
	for _, peer := range list {
		switch {
		case peer.IPBlock != nil:
			if who.namespace == "" && (peer.IPBlock.CIDR == "0.0.0.0/0" || peer.IPBlock.CIDR == "::/0") {
				return true
			}
		case who.namespace == "":
		case peer.NamespaceSelector == nil:
			if who.namespace == home && matches(peer.PodSelector, who.labels) {
				return true
			}
		default:
			name := labels.Set{"kubernetes.io/metadata.name": who.namespace}
			if matches(peer.NamespaceSelector, name) && (peer.PodSelector == nil || matches(peer.PodSelector, who.labels)) {
				return true
			}
		}
	}
	return len(list) == 0
}

func ports(list []networkingv1.NetworkPolicyPort, port int) bool {
	for _, p := range list {
		if p.Port == nil || *p.Port == intstr.FromInt32(int32(port)) {
			return true
		}
	}
	return len(list) == 0
}

func has(types []networkingv1.PolicyType, t networkingv1.PolicyType) bool {
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

func TestWhoReachesWhom(t *testing.T) {
	objects := all(t)
	var ps policies
	for _, p := range of[*networkingv1.NetworkPolicy](objects) {
		ps = append(ps, p)
	}
	at := map[string]place{
		"world":      {},
		"activator":  {"knative-serving", labels.Set{"app": "activator"}},
		"ingress":    {"traefik", labels.Set{"app": "traefik"}},
		"dns":        {"kube-system", labels.Set{"k8s-app": "kube-dns"}},
		"prometheus": {"monitoring", labels.Set{"app": "prometheus"}},
		"stranger":   {namespace, labels.Set{"app": "stranger"}},
	}
	for _, p := range pods(objects) {
		at[p.name] = place{namespace, p.labels}
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
		// What each function is for.
		{"gateway", "mongodb", mongodb, true},
		{"gateway", "rabbitmq", rabbitmq, true},
		{"gateway", "ingress", private, true}, // on the way to auth
		{"auth", "mysql", mysql, true},
		{"converter", "mongodb", mongodb, true},
		{"converter", "rabbitmq", rabbitmq, true},
		{"notification", "mongodb", mongodb, true},
		{"notification", "world", 587, true},
		{"notification", "world", 443, true},
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

		// What a function that was taken over cannot do. The converter is the one
		// that reads hostile files.
		{"converter", "world", 443, false},
		{"converter", "mysql", mysql, false},
		{"converter", "ingress", private, false},
		{"converter", "gateway", proxy, false},
		{"converter", "auth", 8080, false},
		{"converter", "rabbitmq", 15672, false},
		{"converter", "activator", 8012, false},
		{"gateway", "mysql", mysql, false},
		{"gateway", "world", 443, false},
		{"auth", "mongodb", mongodb, false},
		{"auth", "world", 443, false},
		{"notification", "rabbitmq", rabbitmq, false},
		{"notification", "mysql", mysql, false},
		{"janitor-wake", "mysql", mysql, false},
		{"janitor-wake", "world", 443, false},
		{"source video", "mongodb", mongodb, false},
		{"stranger", "mongodb", mongodb, false},
		{"stranger", "rabbitmq", rabbitmq, false},
		{"stranger", "auth", proxy, false},
		{"ingress", "mongodb", mongodb, false},
		{"ingress", "converter", 8080, false},
		{"activator", "mysql", mysql, false},
		{"mysql", "world", 443, false},
		{"rabbitmq", "world", 443, false},
	} {
		from, ok := at[c.from]
		to, there := at[c.to]
		if !ok || !there {
			t.Errorf("no manifest makes a pod %s or %s", c.from, c.to)
			continue
		}
		if got := ps.allow(from, to, c.port); got != c.want {
			t.Errorf("%s to %s, port %d: allowed is %v, want %v", c.from, c.to, c.port, got, c.want)
		}
	}
}

// The table above goes by the manifests' own labels; this holds them to the
// credentials: who has a store's, reaches it, and nobody else does.
func TestCredentialsAndNetworkAgree(t *testing.T) {
	objects := all(t)
	var ps policies
	for _, p := range of[*networkingv1.NetworkPolicy](objects) {
		ps = append(ps, p)
	}
	stores := map[string]place{}
	for _, p := range pods(objects) {
		stores[p.name] = place{namespace, p.labels}
	}
	for _, f := range functions(t) {
		for store, port := range map[string]int{"mongodb": 27017, "rabbitmq": 5672, "mysql": 3306} {
			holds := false
			for _, r := range references(f.spec, f.containers()) {
				holds = holds || r.kind == "secret" && r.name == store
			}
			if reaches := ps.allow(place{namespace, f.labels}, stores[store], port); reaches != holds {
				t.Errorf("%s: has credentials of %s: %v, reaches it: %v", f.name, store, holds, reaches)
			}
		}
	}
}

// A policy that selects nothing protects nothing.
func TestPoliciesSelectSomething(t *testing.T) {
	objects := all(t)
	for name, p := range of[*networkingv1.NetworkPolicy](objects) {
		found := false
		for _, pod := range pods(objects) {
			found = found || matches(&p.Spec.PodSelector, pod.labels)
		}
		if !found {
			t.Errorf("policy %s selects no pod", name)
		}
	}
}
