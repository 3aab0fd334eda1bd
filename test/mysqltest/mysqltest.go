// Package mysqltest runs a MySQL-compatible server for tests, with the schema of
// init.sql: Debian's MariaDB, on a Unix socket and in a temporary directory. It stops
// when the test ends.
package mysqltest

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
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
	DSN string // of the database mp3converter

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
	s := &Server{dir: dir, program: testproc.Find(t, "mariadbd", "mariadb-server")}
	socket := filepath.Join(dir, "s")
	s.args = []string{
		"--no-defaults",
		"--datadir=" + filepath.Join(dir, "data"),
		"--tmpdir=" + dir,
		"--socket=" + socket,
		"--pid-file=" + filepath.Join(dir, "pid"),
		"--skip-networking",
		"--innodb-buffer-pool-size=32M",
		"--innodb-log-file-size=8M",
	}
	install := []string{"--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--auth-root-authentication-method=normal", "--skip-test-db"}
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

	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "unix", socket
	cfg.MultiStatements = true
	s.Restart(t)
	t.Cleanup(func() { s.Kill(t) })
	createSchema(t, cfg)
	cfg.MultiStatements = false
	cfg.DBName = "mp3converter"
	s.DSN = cfg.FormatDSN()
	return s
}

// createSchema creates the database and runs init.sql twice, because it must be
// idempotent.
func createSchema(t testing.TB, cfg *mysql.Config) {
	t.Helper()
	schema, err := os.ReadFile(filepath.Join(testproc.Root(t), "init.sql"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // so that all statements run after USE
	for _, q := range []string{"CREATE DATABASE mp3converter", "USE mp3converter", string(schema), string(schema)} {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%.60s: %v", q, err)
		}
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
