package mongotest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"mp3converter/test/testproc"
)

// Role is a role of the cluster's MongoDB: the privileges of one function.
type Role []struct {
	Resource struct {
		Database   string `json:"db"`
		Collection string `json:"collection"`
	} `json:"resource"`
	Actions []string `json:"actions"`
}

// Roles returns the roles of databases/010-mongodb.yaml by function.
func Roles(t testing.TB) map[string]Role {
	t.Helper()
	var roles map[string]Role
	if err := json.Unmarshal([]byte(Configuration(t)["roles.json"]), &roles); err != nil {
		t.Fatalf("roles.json: %v", err)
	}
	return roles
}

// Configuration returns the files in the ConfigMap of the cluster's MongoDB.
func Configuration(t testing.TB) map[string]string {
	t.Helper()
	return testproc.ConfigMap(t, "databases/010-mongodb.yaml")
}

// actions are the actions that MongoDB requires for a command, in its documentation
// under "Privilege Actions".
var actions = map[string][]string{
	"aggregate":     {"find"}, // with stages that read and write no other collection
	"createIndexes": {"createIndex"},
	"dbStats":       {"dbStats"},
	"delete":        {"remove"},
	"find":          {"find"},
	"getMore":       {"find"},
	"insert":        {"insert"},
	"listIndexes":   {"listIndexes"},
	"update":        {"update"},
	"upsert":        {"insert", "update"},
}

// free are the commands that every user may send. killCursors is one for the cursors
// of the same user.
var free = []string{"buildInfo", "hello", "isMaster", "ping", "endSessions", "killCursors", "saslStart", "saslContinue"}

// Check compares a role with commands. It returns an error for each command that the
// role does not allow, and for each action that it allows and no command needs.
func (r Role) Check(commands map[Command]bool) []error {
	needed := map[Command]bool{} // Name is an action
	var errs []error
	for c := range commands {
		if slices.Contains(free, c.Name) {
			continue
		}
		if actions[c.Name] == nil {
			errs = append(errs, fmt.Errorf("%s: this test does not know the action that it requires", c))
		}
		for _, action := range actions[c.Name] {
			needed[Command{action, c.Database, c.Collection}] = true
			if !r.allows(action, c) {
				errs = append(errs, fmt.Errorf("not allowed: %s, which requires the action %s", c, action))
			}
		}
	}
	for _, p := range r {
		for _, action := range p.Actions {
			if !needed[Command{action, p.Resource.Database, p.Resource.Collection}] {
				errs = append(errs, fmt.Errorf("allowed but not needed: %s on %s.%s", action, p.Resource.Database, p.Resource.Collection))
			}
		}
	}
	return errs
}

func (r Role) allows(action string, c Command) bool {
	for _, p := range r {
		if p.Resource.Database == c.Database && p.Resource.Collection == c.Collection && slices.Contains(p.Actions, action) {
			return true
		}
	}
	return false
}
