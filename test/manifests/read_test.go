package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	yamlv3 "go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	sourcesv1alpha1 "knative.dev/eventing-rabbitmq/pkg/apis/sources/v1alpha1"
	networkingv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	servingv1beta1 "knative.dev/serving/pkg/apis/serving/v1beta1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// namespace is the namespace of all objects.
const namespace = "mp3converter"

// root is the root directory of the repository.
var root = filepath.Join("..", "..")

// folders are applied in this order.
var folders = []string{"rabbitmq", "databases", "knative", "knative/domain", "knative/monitoring"}

// kinds lists the types that manifests may contain.
var kinds = map[string]func() metav1.Object{
	"v1/ServiceAccount":                  func() metav1.Object { return new(corev1.ServiceAccount) },
	"v1/Service":                         func() metav1.Object { return new(corev1.Service) },
	"v1/ConfigMap":                       func() metav1.Object { return new(corev1.ConfigMap) },
	"v1/Secret":                          func() metav1.Object { return new(corev1.Secret) },
	"apps/v1/StatefulSet":                func() metav1.Object { return new(appsv1.StatefulSet) },
	"apps/v1/Deployment":                 func() metav1.Object { return new(appsv1.Deployment) },
	"batch/v1/CronJob":                   func() metav1.Object { return new(batchv1.CronJob) },
	"policy/v1/PodDisruptionBudget":      func() metav1.Object { return new(policyv1.PodDisruptionBudget) },
	"networking.k8s.io/v1/NetworkPolicy": func() metav1.Object { return new(networkingv1.NetworkPolicy) },
	"networking.k8s.io/v1/Ingress":       func() metav1.Object { return new(networkingv1.Ingress) },
	"networking.internal.knative.dev/v1alpha1/ClusterDomainClaim": func() metav1.Object {
		return new(networkingv1alpha1.ClusterDomainClaim)
	},
	"serving.knative.dev/v1/Service":            func() metav1.Object { return new(servingv1.Service) },
	"serving.knative.dev/v1beta1/DomainMapping": func() metav1.Object { return new(servingv1beta1.DomainMapping) },
	"monitoring.coreos.com/v1/PodMonitor":       func() metav1.Object { return new(monitoringv1.PodMonitor) },
	"monitoring.coreos.com/v1/PrometheusRule":   func() metav1.Object { return new(monitoringv1.PrometheusRule) },
	"sources.knative.dev/v1alpha1/RabbitmqSource": func() metav1.Object {
		return new(sourcesv1alpha1.RabbitmqSource)
	},
}

// object is one document of a manifest file.
type object struct {
	file string // path in the repository
	kind string // with API group and version
	metav1.Object
}

func (o object) String() string { return fmt.Sprintf("%s: %s %s", o.file, o.kind, o.GetName()) }

// readManifests decodes every manifest.
func readManifests(t *testing.T) []object {
	t.Helper()
	var objects []object
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Fatalf("no manifest in %s", folder)
		}
		for _, file := range files {
			name, _ := filepath.Rel(root, file)
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found, err := decode(name, content)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			objects = append(objects, found...)
		}
	}
	return objects
}

// decode decodes the documents of a file. Unknown and duplicate fields are errors.
func decode(file string, content []byte) ([]object, error) {
	var objects []object
	documents := yamlv3.NewDecoder(bytes.NewReader(content))
	for {
		var document yamlv3.Node
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		text, err := yamlv3.Marshal(&document)
		if err != nil {
			return nil, err
		}
		o, err := decodeOne(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", document.Line, err)
		}
		o.file = file
		objects = append(objects, o)
	}
}

func decodeOne(document []byte) (object, error) {
	text, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return object{}, err
	}
	var meta metav1.TypeMeta
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &meta); err != nil {
		return object{}, err
	}
	kind := meta.APIVersion + "/" + meta.Kind
	empty, ok := kinds[kind]
	if !ok {
		return object{}, fmt.Errorf("unexpected kind %s", kind)
	}
	o := empty()
	unknown, err := kjson.UnmarshalStrict(text, o)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return object{}, fmt.Errorf("%s: %w", kind, err)
	}
	return object{kind: kind, Object: o}, nil
}

// byName returns the objects of one type, by name.
func byName[T metav1.Object](objects []object) map[string]T {
	found := map[string]T{}
	for _, o := range objects {
		if typed, ok := o.Object.(T); ok {
			found[o.GetName()] = typed
		}
	}
	return found
}

// pod is the template of the pods that a Knative Service, StatefulSet, Deployment,
// CronJob or RabbitmqSource creates.
type pod struct {
	name   string
	labels map[string]string
	spec   corev1.PodSpec
}

// pods returns the pod templates of all objects.
func pods(objects []object) []pod {
	var found []pod
	for _, o := range objects {
		switch w := o.Object.(type) {
		case *servingv1.Service:
			found = append(found, pod{w.Name, map[string]string{"serving.knative.dev/service": w.Name}, w.Spec.Template.Spec.PodSpec})
		case *appsv1.StatefulSet:
			found = append(found, pod{w.Name, w.Spec.Template.Labels, w.Spec.Template.Spec})
		case *appsv1.Deployment:
			found = append(found, pod{w.Name, w.Spec.Template.Labels, w.Spec.Template.Spec})
		case *batchv1.CronJob:
			found = append(found, pod{w.Name, w.Spec.JobTemplate.Spec.Template.Labels, w.Spec.JobTemplate.Spec.Template.Spec})
		case *sourcesv1alpha1.RabbitmqSource:
			// The labels are those that the source's controller sets; the
			// containers are Knative's own.
			found = append(found, pod{"source " + w.Name, map[string]string{
				"eventing.knative.dev/source":     "rabbitmq-source-controller",
				"eventing.knative.dev/SourceName": w.Name,
			}, corev1.PodSpec{ServiceAccountName: w.Spec.ServiceAccountName}})
		}
	}
	return found
}

// containers returns the init containers and the containers.
func (p pod) containers() []corev1.Container {
	return append(append([]corev1.Container{}, p.spec.InitContainers...), p.spec.Containers...)
}
