package webhooks

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The Python library of Standard Webhooks, which is in the same module, verifies messages
// as docs/webhooks.md says.
func TestPythonVerifies(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/standard-webhooks/standard-webhooks/libraries").Output()
	if err != nil {
		t.Fatal(err)
	}
	current, old := NewSecret(), NewSecret()
	const body = `{"data":{"job":"6650a1f2c4b8e90d1f3a7b21","name":"Grüße.mp4"}}`
	h := http.Header{}
	if err := Sign(h, []string{current, old}, vectorID, time.Now(), []byte(body)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ secret, want string }{
		"current": {current, "6650a1f2c4b8e90d1f3a7b21"}, "old": {old, "6650a1f2c4b8e90d1f3a7b21"}, "another": {NewSecret(), "rejected"},
	} {
		cmd := exec.Command(python, "-c", `
import os, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
headers = dict(line.split("=", 1) for line in os.environ["HEADERS"].split("\n"))
try:
    print(Webhook(os.environ["SECRET"]).verify(sys.stdin.buffer.read(), headers)["data"]["job"])
except WebhookVerificationError:
    print("rejected")
`)
		var headers []string
		for name := range h {
			headers = append(headers, name+"="+h.Get(name))
		}
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "SECRET="+c.secret, "HEADERS="+strings.Join(headers, "\n"),
			"PYTHONPATH="+strings.TrimSpace(string(dir))+"/python")
		cmd.Stdin = strings.NewReader(body)
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}
