// Package test holds the repository to its own rules.
package test

import (
	"os/exec"
	"strings"
	"testing"
)

// allowed says who may import a module that belongs to one place.
var allowed = map[string][]string{
	"go.mongodb.org/mongo-driver": {
		"mp3converter/shared/mongodb", "mp3converter/shared/jobs/mongodb", "mp3converter/shared/media/gridfs", "mp3converter/test/mongotest",
	},
	"github.com/rabbitmq/amqp091-go": {
		"mp3converter/shared/queue/rabbitmq", "mp3converter/shared/queue/queuetest", "mp3converter/test/rabbitmqtest",
	},
	"github.com/go-sql-driver/mysql": {"mp3converter/functions/auth/login", "mp3converter/test/mysqltest"},
	"database/sql": {
		"mp3converter/functions/auth", "mp3converter/functions/auth/login", "mp3converter/shared/sqlite", "mp3converter/shared/jobs/sqlite", "mp3converter/test/mysqltest",
	},
}

// Imports run one way: functions → shared, and each backend's driver stays with
// the package that speaks to the backend.
func TestImports(t *testing.T) {
	const module = "mp3converter/"
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports ","}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		for imported := range strings.SplitSeq(imports, ",") {
			switch {
			case strings.HasPrefix(pkg, module+"shared/") && strings.HasPrefix(imported, module+"functions/"):
				t.Errorf("%s imports %s: shared knows no function", pkg, imported)
			case crosses(pkg, imported):
				t.Errorf("%s imports %s: functions do not know each other", pkg, imported)
			}
			for driver, users := range allowed {
				if strings.HasPrefix(imported, driver) && !contains(users, pkg) {
					t.Errorf("%s imports %s, which only %v may", pkg, imported, users)
				}
			}
		}
	}
}

// crosses: only local puts the functions together.
func crosses(pkg, imported string) bool {
	from, to := function(pkg), function(imported)
	return from != "" && to != "" && from != to && from != "local"
}

func function(pkg string) string {
	rest, ok := strings.CutPrefix(pkg, "mp3converter/functions/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
