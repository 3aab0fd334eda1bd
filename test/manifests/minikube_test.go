package manifests

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	sourcesv1alpha1 "knative.dev/eventing-rabbitmq/pkg/apis/sources/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
)

func readFile(t *testing.T, name ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{root}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestMinikubeVersions checks that Minikube uses the versions of the modules.
func TestMinikubeVersions(t *testing.T) {
	// Knative release 1.N has modules of version 0.(N+27).
	var minor, patch int
	module := regexp.MustCompile(`knative.dev/serving v0\.\d+\.\d+`).FindString(readFile(t, "go.mod"))
	if _, err := fmt.Sscanf(module, "knative.dev/serving v0.%d.%d", &minor, &patch); err != nil {
		t.Fatalf("go.mod: %v", err)
	}
	traefik := regexp.MustCompile(`traefik/v3 (v3\.\S+)`).FindStringSubmatch(readFile(t, "hack", "cluster", "modules", "traefik", "go.mod"))
	if traefik == nil {
		t.Fatal("hack/cluster/modules/traefik/go.mod: no version")
	}
	versions := readFile(t, "hack", "minikube", "versions")
	for _, want := range []string{fmt.Sprintf("\nKNATIVE=knative-v1.%d.%d\n", minor-27, patch), "\nTRAEFIK=" + traefik[1] + "\n"} {
		if !strings.Contains(versions, want) {
			t.Errorf("hack/minikube/versions does not contain %q", strings.TrimSpace(want))
		}
	}
}

// TestMinikubeSettings checks that Minikube has the settings of `make cluster`.
func TestMinikubeSettings(t *testing.T) {
	up := readFile(t, "hack", "minikube", "up")
	for _, want := range []string{
		fmt.Sprintf(`"max-revision-timeout-seconds": "%d"`, defaults(t).MaxRevisionTimeoutSeconds),
		fmt.Sprintf(`"domain-template": "%s"`, strings.ReplaceAll(settings(t, "config-network")["domain-template"], `"`, `\"`)),
	} {
		if !strings.Contains(up, want) {
			t.Errorf("hack/minikube/up does not set %s", want)
		}
	}
	// It replaces this value.
	if !strings.Contains(readFile(t, "knative", "110-gateway.yaml"), `{name: TRUSTED_HOPS, value: "3"}`) {
		t.Error("TRUSTED_HOPS of the gateway is not 3")
	}
}

// TestMinikubeFits checks that a node of two cores has room for all pods of a burst.
func TestMinikubeFits(t *testing.T) {
	const (
		// The API server, controller manager, scheduler, etcd and CoreDNS.
		kubernetes = 250 + 200 + 100 + 100 + 100
		// Serving, Kourier and the source, as hack/minikube/up changes them.
		knative = (30 + 20 + 20 + 20) + (20 + 20) + (20 + 20)
		// queue-sidecar-cpu-request there.
		queueProxy = 10
		node       = 2000
	)
	sum := int64(kubernetes + knative)
	requests := func(containers []corev1.Container) (milli int64) {
		for _, c := range containers {
			milli += c.Resources.Requests.Cpu().MilliValue()
		}
		return milli
	}
	for _, o := range readManifests(t) {
		switch w := o.Object.(type) {
		case *servingv1.Service:
			n := annotation(t, w, autoscaling+"max-scale")
			if w.Name == "auth" {
				n = 1 // The others serve logins only, and may wait.
			}
			sum += n * (requests(w.Spec.Template.Spec.Containers) + queueProxy)
		case *appsv1.StatefulSet: // of one replica
			sum += requests(w.Spec.Template.Spec.Containers)
		case *batchv1.CronJob:
			sum += requests(w.Spec.JobTemplate.Spec.Template.Spec.Containers)
		case *sourcesv1alpha1.RabbitmqSource:
			cpu := resource.MustParse(w.Annotations["rabbitmq.eventing.knative.dev/cpu-request"])
			sum += cpu.MilliValue()
		}
	}
	t.Logf("requested: %d of %d millicores", sum, node)
	if sum > node {
		t.Errorf("the pods request %d millicores of CPU, a node of Minikube has %d", sum, node)
	}
}

// TestSecretsStay checks that a second run of hack/secrets changes no Secret.
func TestSecretsStay(t *testing.T) {
	cluster := t.TempDir()
	first, second := runSecrets(t, cluster), runSecrets(t, cluster)
	for _, name := range slices.Sorted(maps.Keys(first)) {
		if !maps.Equal(first[name].StringData, second[name].StringData) {
			t.Errorf("the second run changed the secret %s", name)
		}
	}
}
