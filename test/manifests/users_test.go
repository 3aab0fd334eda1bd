package manifests

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	sourcesv1alpha1 "knative.dev/eventing-rabbitmq/pkg/apis/sources/v1alpha1"
)

// A function may read only Secrets of its own: STORE-FUNCTION, the keys of the tokens
// and of the links, the registration code, and the settings of the mail server.
func TestFunctionsReadOnlyTheirOwnSecrets(t *testing.T) {
	others := map[string][]string{"auth": {"token", "registration"}, "gateway": {"token", "links", "notification"}, "notification": {"notification", "links"}}
	for _, f := range functions(t) {
		read := 0
		for _, name := range secretsOf(f.pod) {
			read++
			store, function, _ := strings.Cut(name, "-")
			own := function == f.function && slices.Contains([]string{"mongodb", "rabbitmq", "mysql"}, store)
			if !own && !slices.Contains(others[f.function], name) {
				t.Errorf("%s: reads the Secret %s, which is not its own", f.name, name)
			}
		}
		if read == 0 {
			t.Errorf("%s: reads no Secret", f.name)
		}
	}
	for name, s := range byName[*sourcesv1alpha1.RabbitmqSource](readManifests(t)) {
		if got, want := s.Spec.RabbitmqClusterReference.ConnectionSecret.Name, "rabbitmq-source-"+name; got != want {
			t.Errorf("source %s: reads the Secret %s, want %s", name, got, want)
		}
	}
}

// secretsOf returns the names of the Secrets that a pod reads, optional ones too.
func secretsOf(p pod) []string {
	names := map[string]bool{}
	for _, r := range references(p.spec, p.containers()) {
		if r.kind == "secret" {
			names[r.name] = true
		}
	}
	for _, c := range p.containers() {
		for _, e := range c.EnvFrom {
			if e.SecretRef != nil {
				names[e.SecretRef.Name] = true
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				names[e.ValueFrom.SecretKeyRef.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// The user in a connection string is the one that the Secret is named after.
func TestConnectionStringsHaveTheirOwnUser(t *testing.T) {
	secrets := generateSecrets(t)
	passwords := map[string]string{}
	for _, at := range addresses(secrets) {
		s := secrets[at.secret].StringData
		_, user, _ := strings.Cut(at.secret, "-")
		text := s[at.key]
		if !strings.Contains(text, "://") {
			text = "mysql://" + strings.NewReplacer("tcp(", "", ")", "").Replace(text)
		}
		u, err := url.Parse(text)
		if err != nil {
			t.Errorf("secret %s: %s is not a URL", at.secret, at.key)
			continue
		}
		password, _ := u.User.Password()
		if u.User.Username() != user || s["username"] != user || password == "" || password != s["password"] {
			t.Errorf("secret %s: %s, username and password are not those of the user %q", at.secret, at.key, user)
		}
		if other := passwords[password]; other != "" && other != at.secret {
			t.Errorf("secrets %s and %s have the same password", at.secret, other)
		}
		passwords[password] = at.secret
	}
}

// rabbitmqUsers is the contents of users.json and permissions.json.
type rabbitmqUsers struct {
	Users []struct {
		Name, Tags string
		Hash       string `json:"password_hash"`
	}
	Permissions []struct{ User string }
}

func parseUsers(t *testing.T, text string) rabbitmqUsers {
	t.Helper()
	var u rabbitmqUsers
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		t.Fatal(err)
	}
	return u
}

// Every user in permissions.json exists, with the password of its Secret, and only
// admin has a tag.
func TestRabbitMQUsers(t *testing.T) {
	secrets := generateSecrets(t)
	if secrets["rabbitmq-users"] == nil {
		t.Fatal("hack/secrets does not create the Secret rabbitmq-users")
	}
	var names []string
	for _, u := range parseUsers(t, secrets["rabbitmq-users"].StringData["users.json"]).Users {
		names = append(names, u.Name)
		password := secrets["rabbitmq"].StringData["admin-password"]
		if u.Name != "admin" {
			if secrets["rabbitmq-"+u.Name] == nil {
				t.Errorf("the user %s has no Secret", u.Name)
				continue
			}
			password = secrets["rabbitmq-"+u.Name].StringData["password"]
		}
		if !hashMatches(u.Hash, password) {
			t.Errorf("users.json has another password for %s than its Secret", u.Name)
		}
		if admin := u.Name == "admin"; u.Tags != map[bool]string{true: "administrator"}[admin] {
			t.Errorf("the user %s has the tags %q", u.Name, u.Tags)
		}
	}
	var permitted []string
	config := byName[*corev1.ConfigMap](readManifests(t))["rabbitmq"].Data["permissions.json"]
	for _, p := range parseUsers(t, config).Permissions {
		permitted = append(permitted, p.User)
	}
	slices.Sort(names)
	slices.Sort(permitted)
	if !slices.Equal(names, permitted) {
		t.Errorf("the users are %v, but permissions.json has %v", names, permitted)
	}
}

// hashMatches reports whether a hash is that of a password: four bytes of salt, then
// SHA-256 of salt and password.
func hashMatches(hash, password string) bool {
	b, err := base64.StdEncoding.DecodeString(hash)
	if err != nil || len(b) != 4+sha256.Size || password == "" {
		return false
	}
	sum := sha256.Sum256(append(slices.Clone(b[:4]), password...))
	return bytes.Equal(b[4:], sum[:])
}

// RabbitMQ loads the files in alphabetical order; permissions need queues' vhost and
// users.
func TestRabbitMQLoadsUsersBeforePermissions(t *testing.T) {
	var files []string
	paths := map[string]string{}
	for _, m := range byName[*appsv1.StatefulSet](readManifests(t))["rabbitmq"].Spec.Template.Spec.Containers[0].VolumeMounts {
		if dir, name := filepath.Split(m.MountPath); dir == "/etc/rabbitmq/definitions/" {
			files = append(files, name)
			paths[name] = m.SubPath
		}
	}
	slices.Sort(files)
	var order []string
	for _, name := range files {
		order = append(order, paths[name])
	}
	if want := []string{"definitions.json", "users.json", "permissions.json"}; !slices.Equal(order, want) {
		t.Errorf("RabbitMQ loads %v, want %v", order, want)
	}
}

// A second run keeps every value, creates what is missing, and gives RabbitMQ the
// password that a recreated Secret has.
func TestSecretsAreKept(t *testing.T) {
	cluster := t.TempDir()
	first := runSecrets(t, cluster)
	for _, name := range []string{"rabbitmq-gateway", "mongodb-janitor", "token"} {
		if err := os.Remove(filepath.Join(cluster, name+".yaml")); err != nil {
			t.Fatal(err)
		}
	}
	second := runSecrets(t, cluster)
	for name, s := range first {
		again := second[name]
		if again == nil {
			t.Errorf("secret %s was not created again", name)
			continue
		}
		switch name {
		case "rabbitmq-users": // hashed with another salt
		case "rabbitmq-gateway", "mongodb-janitor":
			if again.StringData["password"] == s.StringData["password"] {
				t.Errorf("secret %s: the same password as before it was deleted", name)
			}
		case "token":
			if again.StringData["TOKEN_KEYS"] == s.StringData["TOKEN_KEYS"] {
				t.Error("secret token: the same keys as before it was deleted")
			}
		default:
			if !maps.Equal(again.StringData, s.StringData) {
				t.Errorf("secret %s has changed", name)
			}
		}
	}
	for _, u := range parseUsers(t, second["rabbitmq-users"].StringData["users.json"]).Users {
		if u.Name == "gateway" && !hashMatches(u.Hash, second["rabbitmq-gateway"].StringData["password"]) {
			t.Error("users.json has the old password of the gateway")
		}
	}
}

// An installation of one user for all functions keeps its administrators' passwords and
// gets the Secrets of the functions.
func TestSecretsOfAnOlderInstallation(t *testing.T) {
	cluster := t.TempDir()
	old := map[string]string{
		"rabbitmq": "  admin-password: \"adminadminadminadminadmin\"\n  password: \"sharedsharedsharedshared\"\n  erlang-cookie: \"cookie\"\n",
		"mongodb":  "  username: \"mp3converter\"\n  password: \"rootrootrootrootrootroot\"\n  keyfile: \"key\"\n",
		"mysql":    "  username: \"mp3converter\"\n  root-password: \"rootrootrootrootrootroot\"\n",
	}
	for name, data := range old {
		text := "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: mp3converter}\nstringData:\n" + data
		if err := os.WriteFile(filepath.Join(cluster, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secrets := runSecrets(t, cluster)
	for name := range old {
		content, err := os.ReadFile(filepath.Join(cluster, name+".yaml"))
		if err != nil || !strings.HasSuffix(string(content), old[name]) {
			t.Errorf("secret %s has changed (%v)", name, err)
		}
	}
	for name := range generateSecrets(t) {
		if secrets[name] == nil {
			t.Fatalf("secret %s is missing", name)
		}
	}
	for _, u := range parseUsers(t, secrets["rabbitmq-users"].StringData["users.json"]).Users {
		if u.Name == "admin" && !hashMatches(u.Hash, "adminadminadminadminadmin") {
			t.Error("users.json has another password of admin")
		}
	}
}
