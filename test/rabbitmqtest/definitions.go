package rabbitmqtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"mp3converter/test/testproc"
)

// Credentials of the test user.
const (
	User     = "test"
	Password = "test"
)

// definitions returns the definitions that the cluster loads, with the test user
// instead of the users of the Secret.
func definitions(t testing.TB) string {
	t.Helper()
	const path = "rabbitmq/010-configuration.yaml"
	file, err := os.ReadFile(filepath.Join(testproc.Root(t), path))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.Unmarshal(file, &config); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var d map[string]any
	if err := json.Unmarshal([]byte(config.Data["definitions.json"]), &d); err != nil {
		t.Fatalf("definitions.json in %s: %v", path, err)
	}
	const salt = "salt" // any four bytes
	hash := sha256.Sum256([]byte(salt + Password))
	d["users"] = []any{map[string]any{
		"name":              User,
		"password_hash":     base64.StdEncoding.EncodeToString(append([]byte(salt), hash[:]...)),
		"hashing_algorithm": "rabbit_password_hashing_sha256",
		"tags":              []string{"administrator"},
	}}
	d["permissions"] = []any{map[string]any{
		"user": User, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*",
	}}
	merged, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(merged)
}
