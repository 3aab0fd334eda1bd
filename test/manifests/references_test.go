package manifests

import (
	"encoding/json"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	sourcesv1alpha1 "knative.dev/eventing-rabbitmq/pkg/apis/sources/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	servingv1beta1 "knative.dev/serving/pkg/apis/serving/v1beta1"
)

// external lists objects that pods refer to but that are not in the manifests.
var external = map[string]bool{
	"configmap mysql-init": true, // created by hack/secrets from init.sql
}

// reference is a reference to a Secret or ConfigMap, or to one key of it.
type reference struct{ kind, name, key string }

func references(spec corev1.PodSpec, containers []corev1.Container) []reference {
	var found []reference
	secret := func(name, key string, optional *bool) {
		if optional == nil || !*optional {
			found = append(found, reference{"secret", name, key})
		}
	}
	items := func(kind, name string, items []corev1.KeyToPath) {
		found = append(found, reference{kind, name, ""})
		for _, i := range items {
			found = append(found, reference{kind, name, i.Key})
		}
	}
	for _, c := range containers {
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				continue
			}
			if r := e.ValueFrom.SecretKeyRef; r != nil {
				secret(r.Name, r.Key, r.Optional)
			}
			if r := e.ValueFrom.ConfigMapKeyRef; r != nil && (r.Optional == nil || !*r.Optional) {
				found = append(found, reference{"configmap", r.Name, r.Key})
			}
		}
		for _, e := range c.EnvFrom {
			if r := e.SecretRef; r != nil {
				secret(r.Name, "", r.Optional)
			}
		}
	}
	for _, v := range spec.Volumes {
		switch {
		case v.Secret != nil:
			items("secret", v.Secret.SecretName, v.Secret.Items)
		case v.ConfigMap != nil:
			items("configmap", v.ConfigMap.Name, v.ConfigMap.Items)
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				if s.Secret != nil {
					items("secret", s.Secret.Name, s.Secret.Items)
				}
				if s.ConfigMap != nil {
					items("configmap", s.ConfigMap.Name, s.ConfigMap.Items)
				}
			}
		}
	}
	return found
}

func TestSecretsAndConfigMapsExist(t *testing.T) {
	objects := readManifests(t)
	have := map[reference]bool{}
	for name, s := range generateSecrets(t) {
		have[reference{"secret", name, ""}] = true
		for key := range s.StringData {
			have[reference{"secret", name, key}] = true
		}
	}
	for name, c := range byName[*corev1.ConfigMap](objects) {
		have[reference{"configmap", name, ""}] = true
		for key := range c.Data {
			have[reference{"configmap", name, key}] = true
		}
	}
	checked := 0
	for _, p := range pods(objects) {
		for _, r := range references(p.spec, p.containers()) {
			if external[r.kind+" "+r.name] {
				continue
			}
			if !have[r] {
				t.Errorf("%s: %s %s with key %q does not exist", p.name, r.kind, r.name, r.key)
			}
			checked++
		}
	}
	if checked < 20 {
		t.Errorf("found only %d references", checked)
	}
}

func TestServiceAccountsExist(t *testing.T) {
	objects := readManifests(t)
	accounts := byName[*corev1.ServiceAccount](objects)
	for _, p := range pods(objects) {
		name := p.spec.ServiceAccountName
		if name == "" {
			// The stores use the default service account, without its token.
			if a := p.spec.AutomountServiceAccountToken; a == nil || *a {
				t.Errorf("%s: gets the token of the default service account", p.name)
			}
			continue
		}
		if accounts[name] == nil {
			t.Errorf("%s: service account %s does not exist", p.name, name)
		}
	}
}

// definitions is the part of RabbitMQ's definitions.json that is checked.
type definitions struct {
	Queues []struct {
		Name      string
		Durable   bool
		Arguments map[string]any
	}
}

func queues(t *testing.T, objects []object) definitions {
	t.Helper()
	var d definitions
	text := byName[*corev1.ConfigMap](objects)["rabbitmq"].Data["definitions.json"]
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("definitions.json: %v", err)
	}
	return d
}

func TestSourcesReadDeclaredQueues(t *testing.T) {
	objects := readManifests(t)
	declared := map[string]map[string]any{}
	for _, q := range queues(t, objects).Queues {
		if !q.Durable {
			t.Errorf("queue %s is not durable", q.Name)
		}
		declared[q.Name] = q.Arguments
	}
	sources := byName[*sourcesv1alpha1.RabbitmqSource](objects)
	for _, queue := range []string{"video", "mp3"} {
		s, ok := sources[queue]
		if !ok || s.Spec.RabbitmqResourcesConfig.QueueName != queue {
			t.Errorf("no source reads the queue %s", queue)
			continue
		}
		if !s.Spec.RabbitmqResourcesConfig.Predeclared {
			t.Errorf("source %s: must not declare its queue", queue)
		}
		// Without a dead-letter queue, messages that the source rejects are lost.
		arguments := declared[queue]
		dead, _ := arguments["x-dead-letter-routing-key"].(string)
		if arguments["x-dead-letter-exchange"] != "" || declared[dead] == nil {
			t.Errorf("queue %s has no declared dead-letter queue", queue)
		}
		if arguments["x-dead-letter-strategy"] == "at-least-once" && arguments["x-overflow"] != "reject-publish" {
			t.Errorf("queue %s: at-least-once needs reject-publish", queue)
		}
	}
}

func TestSinksAreServices(t *testing.T) {
	objects := readManifests(t)
	services := byName[*servingv1.Service](objects)
	for name, s := range byName[*sourcesv1alpha1.RabbitmqSource](objects) {
		ref := s.Spec.Sink.Ref
		if ref == nil || ref.Kind != "Service" || ref.APIVersion != "serving.knative.dev/v1" || services[ref.Name] == nil {
			t.Errorf("source %s: its sink is not a function", name)
		}
	}
	for name, d := range byName[*servingv1beta1.DomainMapping](objects) {
		if services[d.Spec.Ref.Name] == nil || d.Spec.Ref.Name != "gateway" {
			t.Errorf("domain %s: must refer to the gateway", name)
		}
	}
}

func TestOnlyTheGatewayIsPublic(t *testing.T) {
	for name, s := range byName[*servingv1.Service](readManifests(t)) {
		local := s.Labels["networking.knative.dev/visibility"] == "cluster-local"
		if public := name == "gateway"; local == public {
			t.Errorf("%s: cluster-local is %v", name, local)
		}
	}
}

func TestAuthURL(t *testing.T) {
	services := byName[*servingv1.Service](readManifests(t))
	host, ok := strings.CutPrefix(envValue(t, services["gateway"].Spec.Template.Spec.PodSpec, "AUTH_URL"), "http://")
	name, inside := strings.CutSuffix(host, "."+namespace+".svc.cluster.local")
	if !ok || !inside || services[name] == nil || name != "auth" {
		t.Errorf("AUTH_URL has host %q, want that of auth", host)
	}
}

// envValue returns the value of an environment variable in a manifest, or "" if it has
// none.
func envValue(t *testing.T, spec corev1.PodSpec, name string) string {
	t.Helper()
	for _, e := range spec.Containers[0].Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// Every selector must match something; otherwise it is probably misspelled.
func TestSelectorsMatch(t *testing.T) {
	objects := readManifests(t)
	sets := byName[*appsv1.StatefulSet](objects)
	matchesAny := func(selector labels.Selector) bool {
		for _, s := range sets {
			if selector.Matches(labels.Set(s.Spec.Template.Labels)) {
				return true
			}
		}
		for _, d := range byName[*appsv1.Deployment](objects) {
			if selector.Matches(labels.Set(d.Spec.Template.Labels)) {
				return true
			}
		}
		return false
	}
	for name, s := range byName[*corev1.Service](objects) {
		if !matchesAny(labels.SelectorFromSet(s.Spec.Selector)) {
			t.Errorf("service %s selects nothing", name)
		}
	}
	for name, s := range sets {
		if !labels.SelectorFromSet(s.Spec.Selector.MatchLabels).Matches(labels.Set(s.Spec.Template.Labels)) {
			t.Errorf("stateful set %s does not select its pods", name)
		}
		service := byName[*corev1.Service](objects)[s.Spec.ServiceName]
		if service == nil {
			t.Errorf("stateful set %s: service %s does not exist", name, s.Spec.ServiceName)
		}
	}
	for name, b := range byName[*policyv1.PodDisruptionBudget](objects) {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || !matchesAny(selector) {
			t.Errorf("disruption budget %s selects nothing (%v)", name, err)
		}
	}
}
