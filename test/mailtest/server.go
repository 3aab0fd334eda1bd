// Package mailtest runs a real mail server for tests: Mailpit, which it builds from its
// module. It speaks STARTTLS and AUTH, refuses mails on demand, and keeps what it accepts.
package mailtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/test/buildcache"
	"mp3converter/test/testproc"
)

// Config configures a server.
type Config struct {
	Certificate *Certificate // for STARTTLS, without which it then accepts no mail; nil: not offered
	Username    string       // required with Password for each mail; "": no login
	Password    string
}

// Server is a mail server for one test. It is safe for concurrent use.
type Server struct {
	Host string
	Port int

	api string
}

// Start starts a server that stops when the test ends.
func Start(t testing.TB, c Config) *Server {
	t.Helper()
	program, err := buildcache.Build("mailpit", "test/mailtest/mailpit", "github.com/axllent/mailpit")
	if err != nil {
		t.Fatalf("mailtest: %v", err)
	}
	dir, ports := t.TempDir(), testproc.FreePorts(t, 2)
	s := &Server{Host: "127.0.0.1", Port: ports[0], api: fmt.Sprintf("http://127.0.0.1:%d/", ports[1])}
	args := []string{
		fmt.Sprintf("--smtp=127.0.0.1:%d", ports[0]), fmt.Sprintf("--listen=127.0.0.1:%d", ports[1]),
		"--database=" + filepath.Join(dir, "mails.db"), "--max=0", "--disable-version-check", "--smtp-disable-rdns", "--enable-chaos",
	}
	if c.Certificate != nil {
		args = append(args, "--smtp-require-starttls", "--smtp-tls-cert="+c.Certificate.CertFile, "--smtp-tls-key="+c.Certificate.KeyFile)
	}
	if c.Username != "" {
		users := filepath.Join(dir, "users")
		if err := os.WriteFile(users, []byte(c.Username+":"+c.Password+"\n"), 0o600); err != nil {
			t.Fatalf("mailtest: %v", err)
		}
		args = append(args, "--smtp-auth-file="+users)
		if c.Certificate == nil {
			args = append(args, "--smtp-auth-allow-insecure")
		}
	}
	log := filepath.Join(dir, "log")
	p, err := testproc.Start(log, nil, program, args...)
	if err != nil {
		t.Fatalf("mailtest: %v", err)
	}
	t.Cleanup(p.Kill)
	s.waitReady(t, p, log)
	return s
}

// waitReady waits until the server answers. Its SMTP side is ready before.
func (s *Server) waitReady(t testing.TB, p *testproc.Process, log string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		resp, err := http.Get(s.api + "readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-p.Exited():
			text, _ := os.ReadFile(log)
			t.Fatalf("mailtest: Mailpit has exited: %s", text)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log)
			t.Fatalf("mailtest: Mailpit did not start: %s", text)
		}
	}
}

// Commands whose refusal Refuse can request.
const (
	Sender    = "Sender"    // MAIL FROM
	Recipient = "Recipient" // RCPT TO
)

// Refuse makes the server answer a command with an SMTP status, until Accept.
func (s *Server) Refuse(t testing.TB, command string, status int) {
	t.Helper()
	s.setTriggers(t, map[string]any{command: map[string]int{"ErrorCode": status, "Probability": 100}})
}

// Accept ends Refuse.
func (s *Server) Accept(t testing.TB) {
	t.Helper()
	s.setTriggers(t, map[string]any{})
}

func (s *Server) setTriggers(t testing.TB, triggers map[string]any) {
	t.Helper()
	body, err := json.Marshal(triggers)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.api+"api/v1/chaos", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	do(t, r)
}

// Messages returns the mails that the server has accepted, the latest first.
func (s *Server) Messages(t testing.TB) []Message {
	t.Helper()
	var list struct {
		Total    int                   `json:"total"`
		Messages []struct{ ID string } `json:"messages"`
	}
	if err := json.Unmarshal(s.get(t, "api/v1/messages?limit=1000"), &list); err != nil {
		t.Fatalf("mailtest: %v", err)
	}
	if list.Total != len(list.Messages) {
		t.Fatalf("mailtest: %d messages, of which the list has %d", list.Total, len(list.Messages))
	}
	var all []Message
	for _, m := range list.Messages {
		all = append(all, parse(t, s.get(t, "api/v1/message/"+m.ID+"/raw")))
	}
	return all
}

// About returns the mails about a job, the latest first.
func (s *Server) About(t testing.TB, job string) []Message {
	t.Helper()
	return slices.DeleteFunc(s.Messages(t), func(m Message) bool {
		id, err := m.Header.MessageID()
		return err != nil || !strings.HasPrefix(id, "job-"+job+"@")
	})
}

func (s *Server) get(t testing.TB, path string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.api+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

func do(t testing.TB, r *http.Request) []byte {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("mailtest: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("mailtest: %s %s: %s %v %s", r.Method, r.URL, resp.Status, err, body)
	}
	return body
}
