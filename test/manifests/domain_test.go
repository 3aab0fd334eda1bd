package manifests

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	netapi "knative.dev/networking/pkg/apis/networking"
	"knative.dev/pkg/apis"
	servingv1beta1 "knative.dev/serving/pkg/apis/serving/v1beta1"
)

// The DomainMapping with TLS is that without, and a certificate and a redirect.
func TestDomainMappingWithTLS(t *testing.T) {
	const file = "knative/domain/tls/gateway.yaml"
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode(file, content)
	if err != nil {
		t.Fatal(err)
	}
	without := byName[*servingv1beta1.DomainMapping](readManifests(t))
	for name, with := range byName[*servingv1beta1.DomainMapping](objects) {
		ctx := apis.WithinCreate(context.Background())
		with.SetDefaults(ctx)
		if err := with.Validate(ctx); err != nil {
			t.Error(err)
		}
		plain := without[name]
		if plain == nil {
			t.Fatalf("%s: no DomainMapping without TLS", name)
		}
		plain.SetDefaults(ctx)
		if with.Spec.Ref != plain.Spec.Ref || with.Namespace != plain.Namespace {
			t.Errorf("%s: refers to %+v with TLS, to %+v without", name, with.Spec.Ref, plain.Spec.Ref)
		}
		if with.Spec.TLS == nil || with.Spec.TLS.SecretName != "gateway-tls" || netapi.GetHTTPProtocol(with.Annotations) != "redirected" {
			t.Errorf("%s: TLS %+v, annotations %v", name, with.Spec.TLS, with.Annotations)
		}
	}
}
