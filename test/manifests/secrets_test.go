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

// fakeKubectl keeps Secrets as files in the directory CLUSTER: as they are created or
// applied, one a file. NAME.claim is a volume, and "namespace" is the namespace. Requests
// whose arguments contain the text in the file "broken" fail.
const fakeKubectl = `#!/bin/sh
name=
for word in "$@"; do
	[ "$previous" = secret ] && name=$word
	previous=$word
done
if [ -e "$CLUSTER/broken" ]; then
	case "$*" in *"$(cat "$CLUSTER/broken")"*) exit 1 ;; esac
fi
case " $* " in
*" create configmap "*) echo "kind: ConfigMap" ;;
*" create namespace "*) : >"$CLUSTER/namespace" ;;
*" get namespace "*) [ ! -e "$CLUSTER/namespace" ] || echo namespace/mp3converter ;;
*" get pvc data-mongodb-0 "*) [ ! -e "$CLUSTER/data-mongodb-0.claim" ] || echo pvc/data-mongodb-0 ;;
*" get pvc data-mysql-0 "*) [ ! -e "$CLUSTER/data-mysql-0.claim" ] || echo pvc/data-mysql-0 ;;
*" -f - "*)
	[ -e "$CLUSTER/namespace" ] || exit 1
	cat >"$CLUSTER/new"
	name=$(sed -n 's/^metadata: {name: \([^,]*\),.*/\1/p' "$CLUSTER/new")
	case " $* " in *" create "*) [ ! -e "$CLUSTER/$name.yaml" ] || exit 1 ;; esac
	[ -z "$name" ] || cp "$CLUSTER/new" "$CLUSTER/$name.yaml"
	rm "$CLUSTER/new" ;;
*" -o name "*) [ ! -e "$CLUSTER/$name.yaml" ] || echo "secret/$name" ;;
*" get secret "*)
	key=$(echo "$*" | sed 's/.*index .data "\([^"]*\)".*/\1/')
	value=$(sed -n "s/^  $key: [\"']\(.*\)[\"']$/\1/p" "$CLUSTER/$name.yaml")
	[ -n "$value" ] || exit 1
	printf %s "$value" ;;
esac
`

var generated map[string]*corev1.Secret

// generateSecrets returns the Secrets that hack/secrets creates on an empty cluster. It
// runs once for all tests, because it starts a hundred processes.
func generateSecrets(t *testing.T) map[string]*corev1.Secret {
	t.Helper()
	if generated == nil {
		generated = runSecrets(t, t.TempDir())
	}
	return generated
}

// runSecrets runs hack/secrets on a cluster whose Secrets are the files in a directory,
// and returns those that exist afterwards.
func runSecrets(t *testing.T, cluster string) map[string]*corev1.Secret {
	t.Helper()
	if out, err := trySecrets(t, cluster); err != nil {
		t.Fatalf("hack/secrets: %v\n%s", err, out)
	}
	return readSecrets(t, cluster)
}

// trySecrets runs hack/secrets and returns its output.
func trySecrets(t *testing.T, cluster string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is not installed; hack/secrets needs it")
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(fakeKubectl), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "hack", "secrets"))
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "CLUSTER="+cluster)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func readSecrets(t *testing.T, cluster string) map[string]*corev1.Secret {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cluster, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var objects []object
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found, err := decode(file, content)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, found...)
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
	checked := 0
	for _, at := range addresses(secrets) {
		checked++
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
	if checked < 10 {
		t.Errorf("found only %d connection strings", checked)
	}
}

// address is the place of a connection string.
type address struct{ secret, key string }

func addresses(secrets map[string]*corev1.Secret) []address {
	var found []address
	for name, s := range secrets {
		for _, key := range []string{"url", "dsn"} {
			if s.StringData[key] != "" {
				found = append(found, address{name, key})
			}
		}
		if strings.Contains(s.StringData["uri"], "://") {
			found = append(found, address{name, "uri"})
		}
	}
	return found
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

func TestSigningKeysAreLongEnough(t *testing.T) {
	for secret, variable := range map[string]string{"token": "TOKEN_KEYS", "links": "LINK_KEYS"} {
		id, encoded, ok := strings.Cut(generateSecrets(t)[secret].StringData[variable], ":")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || id == "" || err != nil || len(key) < 32 {
			t.Errorf("%s is not an id and 32 or more bytes in base64 (%d bytes, %v)", variable, len(key), err)
		}
	}
}

// Each run must generate different credentials.
func TestCredentialsAreRandom(t *testing.T) {
	first, second := generateSecrets(t), runSecrets(t, t.TempDir())
	for name, s := range first {
		for key, value := range s.StringData {
			switch key {
			case "port", "username", "admin-username":
				continue
			case "uri":
				if !strings.Contains(value, "://") {
					continue // a host name
				}
			}
			if second[name].StringData[key] == value {
				t.Errorf("secret %s: %s is the same in two runs", name, key)
			}
		}
	}
}

// A database takes the password of its Secret only when its volume is empty. So a new
// password would not be that of an existing volume.
func TestSecretsOfVolumesAreNotReplaced(t *testing.T) {
	for _, store := range []string{"mongodb", "mysql"} {
		t.Run(store, func(t *testing.T) {
			cluster := t.TempDir()
			before := runSecrets(t, cluster)
			for _, name := range []string{store + ".yaml", "token.yaml"} {
				if err := os.Remove(filepath.Join(cluster, name)); err != nil {
					t.Fatal(err)
				}
			}
			claim := filepath.Join(cluster, "data-"+store+"-0.claim")
			if err := os.WriteFile(claim, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := trySecrets(t, cluster)
			if err == nil || !strings.Contains(out, "data-"+store+"-0") {
				t.Errorf("with a volume and no Secret: %v, and the output does not name the volume:\n%s", err, out)
			}
			if after := readSecrets(t, cluster); len(after) != len(before)-2 {
				t.Errorf("%d Secrets exist after the refusal, want the %d that were left", len(after), len(before)-2)
			}
			if err := os.Remove(claim); err != nil {
				t.Fatal(err)
			}
			if after := runSecrets(t, cluster); after[store] == nil {
				t.Error("without the volume: the Secret was not created")
			}
		})
	}
}

// A request to the cluster that fails is an error, not a Secret that is missing.
func TestSecretsReportsErrorsOfTheCluster(t *testing.T) {
	for name, request := range map[string]string{
		"no answer":            "get",
		"Secrets not created":  "create -f",
		"Secrets not read":     "get secret",
		"volumes not read":     "get pvc",
		"nothing applied":      "apply",
		"no namespace created": "create namespace",
	} {
		t.Run(name, func(t *testing.T) {
			cluster := t.TempDir()
			if err := os.WriteFile(filepath.Join(cluster, "broken"), []byte(request), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := trySecrets(t, cluster); err == nil {
				t.Errorf("hack/secrets succeeds although %q fails:\n%s", request, out)
			} else if strings.Contains(request, "get") && len(readSecrets(t, cluster)) > 0 {
				t.Errorf("created Secrets without knowing which exist:\n%s", out)
			}
		})
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
