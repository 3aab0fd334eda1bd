package manifests

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
)

// every runs a check on all containers of ours and of the stores.
func every(t *testing.T, check func(p pod, c corev1.Container) (complaint string)) {
	t.Helper()
	n := 0
	for _, p := range pods(all(t)) {
		for _, c := range p.containers() {
			n++
			if complaint := check(p, c); complaint != "" {
				t.Errorf("%s, container %s: %s", p.name, c.Name, complaint)
			}
		}
	}
	if n < 9 {
		t.Errorf("only %d containers were found", n)
	}
}

func TestContainersAreHardened(t *testing.T) {
	every(t, func(p pod, c corev1.Container) string {
		s, of := c.SecurityContext, p.spec.SecurityContext
		if s == nil {
			return "has no securityContext"
		}
		if of == nil {
			of = &corev1.PodSecurityContext{}
		}
		switch {
		case s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation:
			return "may gain privileges"
		case s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
			return "may write to its image"
		case s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) != 0:
			return "keeps capabilities"
		case !is(s.RunAsNonRoot) && !is(of.RunAsNonRoot):
			return "may be root"
		case s.RunAsUser == nil && of.RunAsUser == nil:
			// An image may name its user by a word, which cannot be told from root.
			return "has no numeric user"
		case s.SeccompProfile == nil && of.SeccompProfile == nil,
			s.SeccompProfile != nil && s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault,
			s.SeccompProfile == nil && of.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault:
			return "has no seccomp profile"
		}
		return ""
	})
}

func is(b *bool) bool { return b != nil && *b }

func TestContainersHaveResources(t *testing.T) {
	every(t, func(p pod, c corev1.Container) string {
		r := c.Resources
		switch {
		case r.Requests.Cpu().IsZero() || r.Requests.Memory().IsZero():
			return "requests no CPU or no memory"
		case r.Limits.Memory().IsZero():
			return "has no limit on memory"
		case r.Limits.Memory().Cmp(*r.Requests.Memory()) < 0:
			return "requests more memory than its limit"
		}
		return ""
	})
}

// A temporary directory without a limit fills the node's disk.
func TestTemporaryDirectoriesAreBounded(t *testing.T) {
	for _, p := range pods(all(t)) {
		for _, v := range p.spec.Volumes {
			if e := v.EmptyDir; e != nil && e.SizeLimit == nil && v.Name != "configdb" {
				t.Errorf("%s: volume %s has no limit", p.name, v.Name)
			}
		}
	}
}

// Knative's controller in the adapters needs a token; nothing of ours does.
func TestNoTokensOfKubernetes(t *testing.T) {
	for _, p := range pods(all(t)) {
		if strings.HasPrefix(p.name, "source ") {
			continue
		}
		if a := p.spec.AutomountServiceAccountToken; a == nil || *a {
			t.Errorf("%s: gets a token of Kubernetes", p.name)
		}
		if l := p.spec.EnableServiceLinks; l == nil || *l {
			t.Errorf("%s: gets a variable for every service, which may be taken for a setting", p.name)
		}
	}
}

func TestFunctionsAreProbed(t *testing.T) {
	for name, s := range of[*servingv1.Service](all(t)) {
		c := s.Spec.Template.Spec.Containers[0]
		if c.StartupProbe != nil {
			// Knative then sends nothing before Kubernetes has asked.
			t.Errorf("%s: a startup probe makes cold starts slow", name)
		}
		// Asked every 50 ms with a patience of 100 ms, it must not ask further.
		if p := c.ReadinessProbe; p == nil || p.HTTPGet == nil || p.HTTPGet.Path != "/healthz" {
			t.Errorf("%s: readiness is not asked at /healthz", name)
		} else if p.PeriodSeconds != 0 {
			// With a period Kubernetes asks, once a second at best.
			t.Errorf("%s: a period for the readiness probe makes cold starts slow", name)
		}
		if p := c.LivenessProbe; p == nil || p.HTTPGet == nil || p.HTTPGet.Path != "/healthz" {
			t.Errorf("%s: liveness is not asked at /healthz", name)
		}
		if len(c.Ports) != 1 || c.Ports[0].ContainerPort != 8080 {
			t.Errorf("%s: does not serve on 8080", name)
		}
	}
}
