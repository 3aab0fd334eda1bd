package manifests

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	sourcesv1alpha1 "knative.dev/eventing-rabbitmq/pkg/apis/sources/v1alpha1"
)

// generateSecrets runs hack/secrets with a fake kubectl that records its input.
func generateSecrets(t *testing.T) map[string]*corev1.Secret {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is not installed; hack/secrets needs it")
	}
	dir := t.TempDir()
	const kubectl = `#!/bin/sh
case " $* " in
*" create -f - "*) { cat; echo ---; } >>"$RECORD" ;;
*" create configmap "*) echo "kind: ConfigMap" ;;
*" apply -f - "*) cat >/dev/null ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(kubectl), 0o755); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "record.yaml")
	cmd := exec.Command(filepath.Join(root, "hack", "secrets"))
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "RECORD="+record)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("hack/secrets: %v\n%s", err, out)
	}
	content, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode("hack/secrets", []byte(strings.TrimSuffix(string(content), "---\n")))
	if err != nil {
		t.Fatal(err)
	}
	return byName[*corev1.Secret](objects)
}

// A source inserts the password into a URL without escaping it, and expects `uri` to
// be a host name.
func TestSourcesCanUseTheirSecret(t *testing.T) {
	secrets := generateSecrets(t)
	alphanumeric := regexp.MustCompile(`^[A-Za-z0-9]{24,}$`)
	for name, s := range byName[*sourcesv1alpha1.RabbitmqSource](readManifests(t)) {
		ref := s.Spec.RabbitmqClusterReference
		if ref.Namespace != namespace || ref.Name != "" {
			t.Errorf("source %s: refers to cluster %q in namespace %q, want only namespace %q", name, ref.Name, ref.Namespace, namespace)
		}
		secret, ok := secrets[ref.ConnectionSecret.Name]
		if !ok {
			t.Errorf("source %s: hack/secrets does not create secret %q", name, ref.ConnectionSecret.Name)
			continue
		}
		if password := secret.StringData["password"]; !alphanumeric.MatchString(password) {
			t.Errorf("secret %s: the password must have at least 24 characters, all letters or digits", secret.Name)
		}
		if uri := secret.StringData["uri"]; strings.ContainsAny(uri, ":/@") || uri == "" {
			t.Errorf("secret %s: uri is not a host name without scheme and port", secret.Name)
		}
		u, err := url.Parse(secret.StringData["url"])
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		if u.Scheme != "amqp" || u.Hostname() != secret.StringData["uri"] || u.Port() != secret.StringData["port"] ||
			u.User.Username() != secret.StringData["username"] || password != secret.StringData["password"] {
			t.Errorf("secret %s: url differs from the other keys", secret.Name)
		}
	}
}

// The host names in the generated Secrets must be those of Services in the manifests.
func TestSecretsPointAtServices(t *testing.T) {
	secrets := generateSecrets(t)
	services := byName[*corev1.Service](readManifests(t))
	for _, at := range []struct{ secret, key string }{{"rabbitmq", "url"}, {"mongodb", "uri"}, {"mysql", "dsn"}} {
		host, port := splitAddress(t, secrets[at.secret].StringData[at.key])
		name, ok := strings.CutSuffix(host, "."+namespace+".svc.cluster.local")
		service := services[name]
		if !ok || service == nil {
			t.Errorf("secret %s: no service for host %q", at.secret, host)
			continue
		}
		found := false
		for _, p := range service.Spec.Ports {
			found = found || fmt.Sprint(p.Port) == port
		}
		if !found {
			t.Errorf("secret %s: service %s has no port %q", at.secret, name, port)
		}
	}
}

var dsn = regexp.MustCompile(`^(?:[a-z]+://)?[^@/]+@(?:tcp\()?([a-z0-9.-]+):(\d+)\)?/`)

// splitAddress returns host and port of a connection string. Its errors do not include the
// string, which contains a password.
func splitAddress(t *testing.T, text string) (host, port string) {
	t.Helper()
	found := dsn.FindStringSubmatch(text)
	if found == nil {
		t.Fatal("a connection string has no host and port")
	}
	return found[1], found[2]
}

func TestTokenKeysAreLongEnough(t *testing.T) {
	id, encoded, ok := strings.Cut(generateSecrets(t)["token"].StringData["TOKEN_KEYS"], ":")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || id == "" || err != nil || len(key) < 32 {
		t.Errorf("TOKEN_KEYS is not an id and 32 or more bytes in base64 (%d bytes, %v)", len(key), err)
	}
}

// Each run must generate different credentials.
func TestCredentialsAreRandom(t *testing.T) {
	first, second := generateSecrets(t), generateSecrets(t)
	for name, s := range first {
		for key, value := range s.StringData {
			switch name + "/" + key {
			case "rabbitmq/uri", "rabbitmq/port", "rabbitmq/username", "rabbitmq/admin-username", "mongodb/username", "mysql/username":
				continue // names
			}
			if second[name].StringData[key] == value {
				t.Errorf("secret %s: %s is the same in two runs", name, key)
			}
		}
	}
}

func TestNoSecretIsInTheRepository(t *testing.T) {
	for _, o := range readManifests(t) {
		if o.kind == "v1/Secret" {
			t.Errorf("%v: secrets must be created by `make secrets`", o)
		}
	}
	secret := regexp.MustCompile(`(?i)password|secret|_keys?$|token|_dsn|_uri|rabbitmq_url`)
	for _, p := range pods(readManifests(t)) {
		for _, c := range p.containers() {
			for _, e := range c.Env {
				if secret.MatchString(e.Name) && e.Value != "" {
					t.Errorf("%s: %s must not have a value in the manifest", p.name, e.Name)
				}
			}
		}
	}
}
