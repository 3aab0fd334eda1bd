// Package rabbitmqtest runs a real RabbitMQ for tests, with the queues of
// rabbitmq/010-configuration.yaml: Debian's rabbitmq-server, on free ports and in a
// temporary directory. It stops when the test ends.
package rabbitmqtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"mp3converter/test/testproc"
)

// bootTimeout is the limit for one start, which takes 5 seconds on an idle machine.
const bootTimeout = 2 * time.Minute

// Server is one broker. Its methods fail the test on errors.
type Server struct {
	URL string // of the default vhost, with an administrator's credentials

	address string
	dir     string
	env     []string
	program string
	ctl     string
	epmd    *testproc.Process
	broker  *testproc.Process
}

// URL returns the address of a broker with the service's queues: RABBITMQ_URL, or a
// server started for this test. Tests that kill the broker use Start.
func URL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("RABBITMQ_URL"); url != "" {
		return url
	}
	return Start(t).URL
}

// Start runs a broker until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	// The programs in PATH are wrappers that switch to the user and directories of
	// the system's broker. The programs in bin do not.
	testproc.Find(t, "rabbitmq-server", "rabbitmq-server")
	const bin = "/usr/lib/rabbitmq/bin/"
	s := &Server{
		dir:     t.TempDir(),
		program: testproc.Find(t, bin+"rabbitmq-server", "rabbitmq-server"),
		ctl:     testproc.Find(t, bin+"rabbitmqctl", "rabbitmq-server"),
	}
	ports := testproc.FreePorts(t, 4)
	listen, distribution, epmd, ctl := ports[0], ports[1], ports[2], ports[3]
	s.address = fmt.Sprintf("127.0.0.1:%d", listen)
	s.URL = s.UserURL(User)
	s.env = environment(s.dir, distribution, epmd, ctl)

	writeFile(t, filepath.Join(s.dir, ".erlang.cookie"), "rabbitmqtest", 0o400)
	writeFile(t, filepath.Join(s.dir, "plugins"), "[].\n", 0o600)
	writeDefinitions(t, filepath.Join(s.dir, "definitions"))
	writeFile(t, filepath.Join(s.dir, "rabbitmq.conf"), fmt.Sprintf(`
listeners.tcp.1 = %s
load_definitions = %s/definitions
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
log.file.level = info
`, s.address, s.dir), 0o600)

	// Without an epmd to connect to, Erlang would start one as a daemon.
	var err error
	s.epmd, err = testproc.Start(filepath.Join(s.dir, "epmd.log"), s.env, testproc.Find(t, "epmd", "erlang-base"),
		"-address", "127.0.0.1", "-port", fmt.Sprint(epmd))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.epmd.Kill)
	t.Cleanup(func() { s.Kill(t) })
	s.boot(t)
	return s
}

// UserURL returns the address of the broker for one of the users of the service, such
// as gateway, who has the rights that the cluster gives it.
func (s *Server) UserURL(user string) string {
	return fmt.Sprintf("amqp://%s:%s@%s/", user, Password, s.address)
}

func environment(dir string, distribution, epmd, ctl int) []string {
	const loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
	return []string{
		"HOME=" + dir,
		"LC_ALL=C.UTF-8",
		"ERL_EPMD_PORT=" + fmt.Sprint(epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"RUNNING_UNDER_SYSTEMD=true", // the script executes the server instead of starting a child
		"RABBITMQ_NODENAME=rabbit@localhost",
		"RABBITMQ_DIST_PORT=" + fmt.Sprint(distribution),
		"RABBITMQ_CONF_ENV_FILE=" + dir + "/none",
		"RABBITMQ_CONFIG_FILE=" + dir + "/rabbitmq.conf",
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + dir + "/plugins",
		"RABBITMQ_MNESIA_BASE=" + dir + "/data",
		"RABBITMQ_LOG_BASE=" + dir + "/log",
		"RABBITMQ_PID_FILE=" + dir + "/pid",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=" + loopback,
		"RABBITMQ_CTL_ERL_ARGS=" + loopback,
		"RABBITMQ_CTL_DIST_PORT_MIN=" + fmt.Sprint(ctl),
		"RABBITMQ_CTL_DIST_PORT_MAX=" + fmt.Sprint(ctl),
	}
}

// boot starts the broker and waits until it accepts connections. By then the
// definitions are loaded.
func (s *Server) boot(t testing.TB) {
	t.Helper()
	var err error
	s.broker, err = testproc.Start(filepath.Join(s.dir, "console.log"), s.env, s.program)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(bootTimeout)
	for {
		conn, err := amqp.Dial(s.URL)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-s.broker.Exited():
			t.Fatalf("rabbitmq-server exited during startup:\n%s", s.logTail())
		case <-deadline:
			t.Fatalf("rabbitmq-server did not accept connections within %v: %v\n%s", bootTimeout, err, s.logTail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill kills the broker with SIGKILL.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.broker != nil {
		s.broker.Kill()
	}
}

// Stop shuts the broker down.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.broker.Terminate(time.Minute)
}

// Restart starts a stopped or killed broker again, at the same address and with its
// data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.boot(t)
}

// Ctl runs rabbitmqctl and returns its output. It takes about a second.
func (s *Server) Ctl(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.ctl, append([]string{"--quiet"}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("rabbitmqctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Redefine creates the queues that were deleted, from the definitions of the boot.
func (s *Server) Redefine(t testing.TB) {
	t.Helper()
	s.Ctl(t, "import_definitions", filepath.Join(s.dir, "definitions", "10-queues.json"))
}

// logTail returns the end of the broker's logs.
func (s *Server) logTail() string {
	var all strings.Builder
	for _, name := range []string{"console.log", "log/rabbit@localhost.log"} {
		b, _ := os.ReadFile(filepath.Join(s.dir, name))
		all.Write(b[max(0, len(b)-4000):])
	}
	return all.String()
}

func writeFile(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
