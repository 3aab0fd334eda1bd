package rabbitmqtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"mp3converter/test/testproc"
)

// Credentials of the test user, an administrator. The service's users have the same
// password.
const (
	User     = "test"
	Password = "test"
)

// permissions is the contents of permissions.json.
type permissions struct {
	Permissions []permission `json:"permissions"`
}

type permission struct {
	User      string `json:"user"`
	Vhost     string `json:"vhost"`
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

// user is one of the users in users.json.
type user struct {
	Name      string   `json:"name"`
	Hash      string   `json:"password_hash"`
	Algorithm string   `json:"hashing_algorithm"`
	Tags      []string `json:"tags"`
}

// writeDefinitions writes the definitions that the cluster loads, in the same files,
// with the password of the tests and the test user.
func writeDefinitions(t testing.TB, dir string) {
	t.Helper()
	config := testproc.ConfigMap(t, "rabbitmq/010-configuration.yaml")
	var p permissions
	if err := json.Unmarshal([]byte(config["permissions.json"]), &p); err != nil {
		t.Fatalf("permissions.json: %v", err)
	}
	p.Permissions = append(p.Permissions, permission{User, "/", ".*", ".*", ".*"})
	users := map[string][]user{}
	for _, p := range p.Permissions {
		users["users"] = append(users["users"], newUser(p.User))
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "10-queues.json"), config["definitions.json"], 0o600)
	writeFile(t, filepath.Join(dir, "20-users.json"), toJSON(t, users), 0o600)
	writeFile(t, filepath.Join(dir, "30-permissions.json"), toJSON(t, p), 0o600)
}

func newUser(name string) user {
	const salt = "salt" // any four bytes
	hash := sha256.Sum256([]byte(salt + Password))
	u := user{
		Name:      name,
		Hash:      base64.StdEncoding.EncodeToString(append([]byte(salt), hash[:]...)),
		Algorithm: "rabbit_password_hashing_sha256",
		Tags:      []string{},
	}
	if name == User {
		u.Tags = []string{"administrator"}
	}
	return u
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
