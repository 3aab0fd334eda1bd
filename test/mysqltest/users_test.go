package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// TestRights checks that the user auth can read and write rows, and nothing else.
func TestRights(t *testing.T) {
	s := Start(t)
	root, auth := connect(t, s.Root), connect(t, s.DSN)
	for _, q := range []string{
		"CREATE DATABASE other",
		"CREATE TABLE other.t (id INT)",
		"CREATE TABLE attempts (id INT)", // another table of the service
	} {
		if _, err := root.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(s.dir, "file")
	for _, q := range []string{
		"INSERT INTO users (id, email, password) VALUES ('a', 'b', 'c')",
		"SELECT id, email, password FROM users",
		"UPDATE users SET password = 'd'",
		"DELETE FROM users",
		"SELECT id FROM attempts",
	} {
		if _, err := auth.ExecContext(t.Context(), q); err != nil {
			t.Errorf("auth cannot %s: %v", q, err)
		}
	}
	for _, q := range []string{
		"CREATE TABLE intruder (id INT)",
		"CREATE VIEW intruder AS SELECT id FROM users",
		"CREATE PROCEDURE intruder() SELECT 1",
		"CREATE EVENT intruder ON SCHEDULE EVERY 1 DAY DO SELECT 1",
		"ALTER TABLE users ADD COLUMN intruder INT",
		"CREATE INDEX intruder ON users (password)",
		"LOCK TABLES users WRITE",
		"TRUNCATE TABLE users",
		"SELECT id FROM users INTO OUTFILE '" + file + "'",
		"LOAD DATA INFILE '" + file + "' INTO TABLE attempts",
		"SELECT id FROM other.t",
		"INSERT INTO other.t VALUES (1)",
		"SELECT user FROM mysql.user",
		"CREATE DATABASE intruder",
		"CREATE USER intruder",
		"GRANT SELECT ON mp3converter.users TO 'auth'@'%'",
		"SET PASSWORD FOR 'root'@'localhost' = PASSWORD('x')",
		"SET GLOBAL max_connections = 1",
		"DROP TABLE users",
		"DROP DATABASE mp3converter",
		"SHUTDOWN",
	} {
		switch _, err := auth.ExecContext(t.Context(), q); {
		case err == nil:
			t.Errorf("auth can %s", q)
		case !denied(err):
			t.Errorf("%s: %v, want access denied", q, err)
		}
	}
}

// TestRootIsLocal checks that nobody can connect as root from another machine.
func TestRootIsLocal(t *testing.T) {
	s := Start(t)
	var hosts sql.NullString
	row := connect(t, s.Root).QueryRowContext(t.Context(), `SELECT GROUP_CONCAT(host) FROM mysql.user
		WHERE user = 'root' AND host NOT IN ('localhost', '127.0.0.1', '::1', @@hostname)`)
	if err := row.Scan(&hosts); err != nil || hosts.Valid {
		t.Errorf("root can connect from %q, %v", hosts.String, err)
	}
}

// denied reports whether the server refuses because of missing rights.
func denied(err error) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Number {
	case 1044, 1045, 1142, 1227, 1370: // to a database, a user, a table, globally, a routine
		return true
	}
	return false
}

func connect(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		t.Fatal(err)
	}
	return db
}
