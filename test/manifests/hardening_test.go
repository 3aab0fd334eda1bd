package manifests

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
)

// checkContainers calls check for every container of the functions and the stores.
func checkContainers(t *testing.T, check func(p pod, c corev1.Container) (problem string)) {
	t.Helper()
	n := 0
	for _, p := range pods(readManifests(t)) {
		for _, c := range p.containers() {
			n++
			if problem := check(p, c); problem != "" {
				t.Errorf("%s, container %s: %s", p.name, c.Name, problem)
			}
		}
	}
	if n < 9 {
		t.Errorf("found only %d containers", n)
	}
}

func TestContainersAreHardened(t *testing.T) {
	checkContainers(t, func(p pod, c corev1.Container) string {
		s, podContext := c.SecurityContext, p.spec.SecurityContext
		if s == nil {
			return "has no securityContext"
		}
		if podContext == nil {
			podContext = &corev1.PodSecurityContext{}
		}
		switch {
		case s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation:
			return "allows privilege escalation"
		case s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
			return "has a writable root file system"
		case s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) != 0:
			return "keeps capabilities"
		case !isTrue(s.RunAsNonRoot) && !isTrue(podContext.RunAsNonRoot):
			return "may run as root"
		case s.RunAsUser == nil && podContext.RunAsUser == nil:
			// Kubernetes cannot check that a user given by name is not root.
			return "has no numeric user"
		case s.SeccompProfile == nil && podContext.SeccompProfile == nil,
			s.SeccompProfile != nil && s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault,
			s.SeccompProfile == nil && podContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault:
			return "has no seccomp profile"
		}
		return ""
	})
}

func isTrue(b *bool) bool { return b != nil && *b }

func TestContainersHaveResources(t *testing.T) {
	checkContainers(t, func(p pod, c corev1.Container) string {
		r := c.Resources
		switch {
		case r.Requests.Cpu().IsZero() || r.Requests.Memory().IsZero():
			return "has no CPU or memory request"
		case r.Limits.Memory().IsZero():
			return "has no memory limit"
		case r.Limits.Memory().Cmp(*r.Requests.Memory()) < 0:
			return "requests more memory than its limit"
		}
		return ""
	})
}

// A temporary directory without a limit can fill the disk of the node.
func TestTemporaryDirectoriesHaveLimits(t *testing.T) {
	for _, p := range pods(readManifests(t)) {
		for _, v := range p.spec.Volumes {
			if e := v.EmptyDir; e != nil && e.SizeLimit == nil && v.Name != "configdb" {
				t.Errorf("%s: volume %s has no sizeLimit", p.name, v.Name)
			}
		}
	}
}

// Knative's source adapters need a service account token; the functions do not.
func TestNoServiceAccountTokens(t *testing.T) {
	for _, p := range pods(readManifests(t)) {
		if strings.HasPrefix(p.name, "source ") {
			continue
		}
		if a := p.spec.AutomountServiceAccountToken; a == nil || *a {
			t.Errorf("%s: gets a service account token", p.name)
		}
		if l := p.spec.EnableServiceLinks; l == nil || *l {
			t.Errorf("%s: enableServiceLinks sets environment variables that may be read as configuration", p.name)
		}
	}
}

func TestFunctionsAreProbed(t *testing.T) {
	for name, s := range byName[*servingv1.Service](readManifests(t)) {
		c := s.Spec.Template.Spec.Containers[0]
		if c.StartupProbe != nil {
			// Knative would wait for it before it sends a request.
			t.Errorf("%s: a startup probe slows down cold starts", name)
		}
		// The probe runs every 50 ms with a timeout of 100 ms, so it must not query the stores.
		if p := c.ReadinessProbe; p == nil || p.HTTPGet == nil || p.HTTPGet.Path != "/healthz" {
			t.Errorf("%s: the readiness probe is not /healthz", name)
		} else if p.PeriodSeconds != 0 {
			// With a period the kubelet does the probing, at most once a second.
			t.Errorf("%s: a periodSeconds of the readiness probe slows down cold starts", name)
		}
		if p := c.LivenessProbe; p == nil || p.HTTPGet == nil || p.HTTPGet.Path != "/healthz" {
			t.Errorf("%s: the liveness probe is not /healthz", name)
		}
		if len(c.Ports) != 1 || c.Ports[0].ContainerPort != 8080 {
			t.Errorf("%s: has no port 8080", name)
		}
	}
}

// A database that recovers after a crash must not be killed, however long it takes. Its
// startup probe, which creates the users, fails meanwhile.
func TestDatabasesMayRecover(t *testing.T) {
	sets := byName[*appsv1.StatefulSet](readManifests(t))
	for _, name := range []string{"mongodb", "mysql"} {
		p := sets[name].Spec.Template.Spec.Containers[0].StartupProbe
		if p == nil {
			t.Errorf("%s: without a startup probe, the liveness probe would kill it", name)
			continue
		}
		if d := time.Duration(p.PeriodSeconds) * time.Second * time.Duration(p.FailureThreshold); d < 7*24*time.Hour {
			t.Errorf("%s: is killed if it does not start within %v", name, d)
		}
	}
}
