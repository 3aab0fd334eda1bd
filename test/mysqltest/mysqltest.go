// Package mysqltest runs a MySQL-compatible server for tests, with the tables and the
// user of the cluster: Debian's MariaDB, on a Unix socket and a loopback port, in a
// temporary directory. It stops when the test ends.
package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"mp3converter/test/testproc"
)

// bootTimeout is the limit for the installation and for the start. Each takes 2
// seconds on an idle machine.
const bootTimeout = 2 * time.Minute

// Server is one database server.
type Server struct {
	DSN     string // of the database mp3converter, for the user auth with its rights, over the socket
	Root    string // the same, for root
	Address string // host:port

	dir     string
	args    []string
	program string
	process *testproc.Process
}

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	// The path of a socket is limited to 107 bytes, so t.TempDir may be too long.
	dir, err := os.MkdirTemp("", "mysql")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port := testproc.FreePorts(t, 1)[0]
	s := &Server{Address: fmt.Sprintf("127.0.0.1:%d", port), dir: dir, program: testproc.Find(t, "mariadbd", "mariadb-server")}
	socket := filepath.Join(dir, "s")
	s.args = []string{
		"--no-defaults",
		"--datadir=" + filepath.Join(dir, "data"),
		"--tmpdir=" + dir,
		"--socket=" + socket,
		"--pid-file=" + filepath.Join(dir, "pid"),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--port=%d", port),
		"--innodb-buffer-pool-size=32M",
		"--innodb-log-file-size=8M",
	}
	// A server deletes the temporary tables of all others in its tmpdir when it starts.
	install := []string{"--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--tmpdir=" + dir, "--auth-root-authentication-method=normal", "--skip-test-db"}
	if os.Geteuid() == 0 {
		s.args = append(s.args, "--user=root")
		install = append(install, "--user=root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, testproc.Find(t, "mariadb-install-db", "mariadb-server"), install...).CombinedOutput()
	if err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}

	s.Restart(t)
	t.Cleanup(func() { s.Kill(t) })
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.DBName, cfg.User = "unix", socket, "mp3converter", "root"
	s.Root = cfg.FormatDSN()
	cfg.User, cfg.Passwd = "auth", password
	s.DSN = cfg.FormatDSN()
	s.createUsers(t, socket)
	return s
}

// password is that of the user auth.
const password = "test"

// createUsers creates the database and runs users.sh twice, because it must be
// idempotent. The image of MySQL may have created root@'%' before.
func (s *Server) createUsers(t testing.TB, socket string) {
	t.Helper()
	script := filepath.Join(s.dir, "users.sh")
	if err := os.WriteFile(script, []byte(testproc.ConfigMap(t, "databases/020-mysql.yaml")["users.sh"]), 0o600); err != nil {
		t.Fatal(err)
	}
	connect := []string{"--no-defaults", "--socket=" + socket}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := func(name string, args ...string) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = append(os.Environ(), "MYSQL_ROOT_PASSWORD=", "AUTH_PASSWORD="+password,
			"INIT_SQL="+filepath.Join(testproc.Root(t), "init.sql"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, args[0], err, out)
		}
	}
	run("mysql", append(slices.Clone(connect), "--user=root", "--execute=CREATE DATABASE mp3converter; CREATE USER 'root'@'%' IDENTIFIED BY 'root'; GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION")...)
	for range 2 {
		run("sh", append([]string{script}, connect...)...)
	}
}

// Kill kills the server with SIGKILL.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.process.Kill()
}

// Restart starts the server again, with its data, and waits until it accepts
// connections.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	log := filepath.Join(s.dir, "log")
	var err error
	if s.process, err = testproc.Start(log, nil, s.program, s.args...); err != nil {
		t.Fatal(err)
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "unix", filepath.Join(s.dir, "s")
	cfg.Logger = &mysql.NopLogger{}
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	deadline := time.After(bootTimeout)
	for {
		err := db.Ping()
		if err == nil {
			return
		}
		select {
		case <-s.process.Exited():
			out, _ := os.ReadFile(log)
			t.Fatalf("mariadbd exited during startup:\n%s", out)
		case <-deadline:
			out, _ := os.ReadFile(log)
			t.Fatalf("mariadbd did not accept connections within %v: %v\n%s", bootTimeout, err, out)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
