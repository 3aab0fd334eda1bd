package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dop251/goja"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// mongosh replaces what users.js uses of MongoDB's shell. It keeps roles and users in
// memory and, like the server, refuses to create them twice.
const mongosh = `
const roles = {}, users = {};
const create = (all, name, value) => {
	if (all[name]) throw new Error(name + " already exists");
	all[name] = value;
};
const update = (all, name, value) => {
	if (!all[name]) throw new Error("no " + name);
	all[name] = value;
};
const databases = {admin: {
	getRole: name => roles[name] || null,
	createRole: r => create(roles, r.role, {privileges: r.privileges, roles: r.roles}),
	updateRole: (name, r) => update(roles, name, r),
	getUser: name => users[name] || null,
	createUser: u => create(users, u.user, {pwd: u.pwd, roles: u.roles}),
	updateUser: (name, u) => update(users, name, u),
}};
const db = {getSiblingDB: name => databases[name]};
const require = () => ({readFileSync});
`

// shell runs users.js as mongosh does, with the files in a map.
type shell struct {
	*goja.Runtime
	script string
	files  map[string]string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	config := byName[*corev1.ConfigMap](readManifests(t))["mongodb"].Data
	s := &shell{goja.New(), config["users.js"], map[string]string{"/configuration/roles.json": config["roles.json"]}}
	err := s.Set("readFileSync", func(path string) (string, error) {
		if content, ok := s.files[path]; ok {
			return content, nil
		}
		return "", fmt.Errorf("no file %s", path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RunString(mongosh); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs the script in a scope of its own, so that it can run again.
func (s *shell) run(t *testing.T) {
	t.Helper()
	if _, err := s.RunString("{" + s.script + "}"); err != nil {
		t.Fatalf("users.js: %v", err)
	}
}

func (s *shell) value(t *testing.T, expression string) string {
	t.Helper()
	v, err := s.RunString("JSON.stringify(" + expression + ")")
	if err != nil {
		t.Fatal(err)
	}
	return v.String()
}

// users.js creates a user with one role for each function, and changes both when it runs
// again.
func TestMongoDBUsers(t *testing.T) {
	s := newShell(t)
	mounted := passwordFiles(t)
	for _, path := range mounted {
		s.files[path] = "first"
	}
	s.run(t)
	var want []string
	for _, f := range functions(t) {
		for _, name := range secretsOf(f.pod) {
			if strings.HasPrefix(name, "mongodb-") && !slices.Contains(want, f.function) {
				want = append(want, f.function)
			}
		}
	}
	slices.Sort(want)
	for _, what := range []string{"roles", "users"} {
		if got, want := s.value(t, "Object.keys("+what+").sort()"), `["`+strings.Join(want, `","`)+`"]`; got != want {
			t.Errorf("%s %s, want those of the functions with MongoDB's Secrets, %s", what, got, want)
		}
	}
	if got, want := s.value(t, "users.gateway"), `{"pwd":"first","roles":["gateway"]}`; got != want {
		t.Errorf("the user gateway is %s, want %s", got, want)
	}

	s.files["/users/gateway"] = "second"
	s.files["/configuration/roles.json"] = `{"gateway": [{"resource": {"db": "d", "collection": "c"}, "actions": ["find"]}]}`
	s.run(t)
	if got, want := s.value(t, "users.gateway"), `{"pwd":"second","roles":["gateway"]}`; got != want {
		t.Errorf("after a new password the user gateway is %s, want %s", got, want)
	}
	wantRole := `{"privileges":[{"resource":{"db":"d","collection":"c"},"actions":["find"]}],"roles":[]}`
	if got := s.value(t, "roles.gateway"); got != wantRole {
		t.Errorf("after a change the role gateway is %s, want %s", got, wantRole)
	}
}

// Roles change when the pod starts, so an upgrade that changes them must restart it.
func TestChangedRolesRestartMongoDB(t *testing.T) {
	read := readManifests(t)
	sum := sha256.Sum256([]byte(byName[*corev1.ConfigMap](read)["mongodb"].Data["roles.json"]))
	want := hex.EncodeToString(sum[:6])
	if got := byName[*appsv1.StatefulSet](read)["mongodb"].Spec.Template.Annotations["roles"]; got != want {
		t.Errorf("the annotation roles of the pod of mongodb is %q; roles.json has changed, write %q", got, want)
	}
}

// passwordFiles returns the files that the pod has in /users. Each is the password in
// the Secret of the function that it is named after.
func passwordFiles(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, v := range byName[*appsv1.StatefulSet](readManifests(t))["mongodb"].Spec.Template.Spec.Volumes {
		if v.Name != "users" || v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			for _, i := range source.Secret.Items {
				if source.Secret.Name != "mongodb-"+i.Path || i.Key != "password" {
					t.Errorf("/users/%s is the key %s of the Secret %s", i.Path, i.Key, source.Secret.Name)
				}
				paths = append(paths, "/users/"+i.Path)
			}
		}
	}
	return paths
}

// No privilege covers a whole database, the server or the users, but for the statistics
// of a database, which MongoDB grants in no other way.
func TestMongoDBRolesNameCollections(t *testing.T) {
	s := newShell(t)
	for _, path := range passwordFiles(t) {
		s.files[path] = "password"
	}
	s.run(t)
	const wide = `Object.values(roles).flatMap(r => r.privileges).filter(p =>
		Object.keys(p.resource).length !== 2 || !p.resource.db ||
		!p.resource.collection && p.actions.join() !== "dbStats" ||
		["admin", "local", "config"].includes(p.resource.db))`
	if got := s.value(t, wide); got != "[]" {
		t.Errorf("privileges that are too wide: %s", got)
	}
}
