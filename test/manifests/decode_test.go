package manifests

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"knative.dev/pkg/apis"
	servingconfig "knative.dev/serving/pkg/apis/config"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
)

func TestObjectsAreUniqueAndInNamespace(t *testing.T) {
	seen := map[string]string{}
	for _, o := range readManifests(t) {
		if o.GetNamespace() != namespace {
			t.Errorf("%v: is in namespace %q", o, o.GetNamespace())
		}
		key := o.kind + " " + o.GetName()
		if other := seen[key]; other != "" {
			t.Errorf("%v: is also in %s", o, other)
		}
		seen[key] = o.file
	}
}

func TestUnknownFieldsAreErrors(t *testing.T) {
	for name, text := range map[string]string{
		"unknown": "apiVersion: serving.knative.dev/v1\nkind: Service\nspec: {template: {spec: {timeoutSecond: 1}}}",
		"case":    "apiVersion: serving.knative.dev/v1\nkind: Service\nspec: {template: {spec: {TimeoutSeconds: 1}}}",
		"twice":   "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\ndata: {a: c}",
		"kind":    "apiVersion: v1\nkind: Pod",
	} {
		if _, err := decode(name, []byte(text)); err == nil {
			t.Errorf("%s: decode returned no error", name)
		}
	}
}

// Deleting the manifests of one folder must keep the volumes. So no manifest contains a
// volume, nor the namespace, which hack/secrets creates.
func TestDeletingManifestsKeepsVolumes(t *testing.T) {
	for _, kind := range []string{"Namespace", "PersistentVolume", "PersistentVolumeClaim"} {
		if _, err := decode(kind, []byte("apiVersion: v1\nkind: "+kind)); err == nil {
			t.Errorf("manifests may contain a %s", kind)
		}
	}
	for name, s := range byName[*appsv1.StatefulSet](readManifests(t)) {
		if p := s.Spec.PersistentVolumeClaimRetentionPolicy; p != nil && p.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType {
			t.Errorf("stateful set %s: its volumes are deleted with it", name)
		}
		if len(s.Spec.VolumeClaimTemplates) == 0 {
			t.Errorf("stateful set %s: has no volume of its own", name)
		}
	}
}

// TestKnativeValidation runs the validation of Knative's webhook with the settings that
// the service requires.
func TestKnativeValidation(t *testing.T) {
	ctx := apis.WithinCreate(servingconfig.ToContext(context.Background(), &servingconfig.Config{
		Defaults: defaults(t), Features: features(t),
	}))
	checked := 0
	for _, o := range readManifests(t) {
		resource, ok := o.Object.(interface {
			apis.Validatable
			apis.Defaultable
		})
		if !ok {
			continue
		}
		if s, ok := o.Object.(*servingv1.Service); ok {
			setImage(s)
		}
		resource.SetDefaults(ctx)
		if err := resource.Validate(ctx); err != nil {
			t.Errorf("%v: %v", o, err)
		}
		checked++
	}
	if checked < 7 {
		t.Errorf("found only %d Knative resources", checked)
	}
}

// setImage replaces the ko:// reference with an image reference, as ko does.
func setImage(s *servingv1.Service) {
	for i := range s.Spec.Template.Spec.Containers {
		c := &s.Spec.Template.Spec.Containers[i]
		c.Image = "registry.example.com/image@sha256:" + strings.Repeat("0", 64)
	}
}

func defaults(t *testing.T) *servingconfig.Defaults {
	t.Helper()
	d, err := servingconfig.NewDefaultsConfigFromMap(settings(t, "config-defaults"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// features returns Knative's defaults: the manifests need no feature flag.
func features(t *testing.T) *servingconfig.Features {
	t.Helper()
	f, err := servingconfig.NewFeaturesConfigFromMap(map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// settings returns a ConfigMap of Knative as `make cluster` configures it.
func settings(t *testing.T, name string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "hack", "cluster", "manifests", "serving-settings.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode("serving-settings.yaml", content)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := byName[*corev1.ConfigMap](objects)[name]
	if !ok {
		t.Fatalf("no ConfigMap %s", name)
	}
	return c.Data
}
