package manifests

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	networkingv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	"knative.dev/pkg/apis"
	servingv1beta1 "knative.dev/serving/pkg/apis/serving/v1beta1"
)

// consoleFile decodes a manifest of RabbitMQ's console. (istio.yaml would need Istio's
// types.)
func consoleFile(t *testing.T, name string) []object {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "rabbitmq", "console", name))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode(name, content)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// managementPort is the port of the console in RabbitMQ's pod.
func managementPort(t *testing.T) (pod, int) {
	t.Helper()
	for _, p := range pods(readManifests(t)) {
		for _, c := range p.spec.Containers {
			for _, port := range c.Ports {
				if port.Name == "management" {
					return p, int(port.ContainerPort)
				}
			}
		}
	}
	t.Fatal("no container has a port named management")
	panic("unreachable")
}

// The DomainMapping leads to the console. Knative connects to port 80 of the Service, and
// Kourier to targetPort as a number.
func TestConsoleDomainMapping(t *testing.T) {
	objects := consoleFile(t, "domainmapping.yaml")
	rabbitmq, port := managementPort(t)
	for name, d := range byName[*servingv1beta1.DomainMapping](objects) {
		ctx := apis.WithinCreate(context.Background())
		d.SetDefaults(ctx)
		if err := d.Validate(ctx); err != nil {
			t.Error(err)
		}
		if claim := byName[*networkingv1alpha1.ClusterDomainClaim](objects)[name]; claim == nil || claim.Spec.Namespace != d.Namespace {
			t.Errorf("%s is not claimed for the namespace %s", name, d.Namespace)
		}
		s := byName[*corev1.Service](objects)[d.Spec.Ref.Name]
		if s == nil || d.Spec.Ref.Kind != "Service" || d.Spec.Ref.APIVersion != "v1" {
			t.Fatalf("%s refers to %+v", name, d.Spec.Ref)
		}
		for key, value := range s.Spec.Selector {
			if rabbitmq.labels[key] != value {
				t.Errorf("service %s does not select RabbitMQ", s.Name)
			}
		}
		if p := s.Spec.Ports; len(p) != 1 || p[0].Port != 80 || p[0].TargetPort != intstr.FromInt(port) {
			t.Errorf("service %s has the ports %+v, want 80 to %d", s.Name, p, port)
		}
	}
}

func TestConsoleIngress(t *testing.T) {
	services := byName[*corev1.Service](readManifests(t))
	for name, i := range byName[*networkingv1.Ingress](consoleFile(t, "ingress.yaml")) {
		for _, r := range i.Spec.Rules {
			b := r.HTTP.Paths[0].Backend.Service
			found := false
			for _, p := range services[b.Name].Spec.Ports {
				found = found || p.Name == b.Port.Name
			}
			if !found {
				t.Errorf("ingress %s: service %s has no port %q", name, b.Name, b.Port.Name)
			}
		}
	}
}

// Each manifest lets the ingress in, and the manifests that are always applied do not.
func TestConsoleIsReachableOnPurposeOnly(t *testing.T) {
	rabbitmq, port := managementPort(t)
	to := endpoint{namespace: namespace, labels: rabbitmq.labels}
	var always policies
	for _, p := range byName[*networkingv1.NetworkPolicy](readManifests(t)) {
		always = append(always, p)
	}
	for file, namespaces := range map[string][]string{
		"domainmapping.yaml": {"kourier-system", "traefik"},
		"ingress.yaml":       {"ingress-nginx", "contour-external"},
	} {
		added := byName[*networkingv1.NetworkPolicy](consoleFile(t, file))["rabbitmq-console"]
		for _, ns := range namespaces {
			from := endpoint{namespace: ns}
			if always.allow(from, to, port) {
				t.Errorf("%s reaches the console although no manifest of it is applied", ns)
			}
			if !append(always, added).allow(from, to, port) {
				t.Errorf("%s: %s does not reach the console", file, ns)
			}
		}
		if append(always, added).allow(endpoint{namespace: "default"}, to, port) {
			t.Errorf("%s: any namespace reaches the console", file)
		}
	}
}
