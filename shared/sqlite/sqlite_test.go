package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestPragmas(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"))
	for pragma, want := range map[string]string{
		"journal_mode": "wal",
		"synchronous":  "2", // FULL
		"busy_timeout": "10000",
		"foreign_keys": "1",
	} {
		var got string
		if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
}

// A misspelled column in double quotes is an error, not a string.
func TestDoubleQuotes(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"))
	exec(t, db, "CREATE TABLE t (n INTEGER)")
	if _, err := db.Exec(`DELETE FROM t WHERE "m" = 1`); err == nil {
		t.Error("a statement with an unknown column succeeds")
	}
}

func TestFilePermissions(t *testing.T) {
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "a.db"))
	exec(t, db, "CREATE TABLE t (n INTEGER)")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 2 {
		t.Fatalf("found %d files, want the database and its log", len(entries))
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", e.Name(), info.Mode().Perm())
		}
	}
}

func TestOddPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "50% #1 a?b&c.db")
	exec(t, open(t, path), "CREATE TABLE t (n INTEGER)")
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("the database is not at the path given: %v", err)
	}
}

func TestMissingDirectory(t *testing.T) {
	if db, err := Open(filepath.Join(t.TempDir(), "none", "a.db")); err == nil {
		db.Close()
		t.Error("Open succeeds in a missing directory")
	}
}

// Several stores open the same new file concurrently, and each reads and writes in one
// transaction.
func TestSharedFile(t *testing.T) {
	const openers, each = 4, 25
	path := filepath.Join(t.TempDir(), "a.db")
	var wg sync.WaitGroup
	for range openers {
		wg.Go(func() {
			db, err := Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if _, err := db.Exec("CREATE TABLE IF NOT EXISTS t (n INTEGER)"); err != nil {
				t.Error(err)
				return
			}
			for range each {
				if err := increment(db); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	var n int
	if err := open(t, path).QueryRow("SELECT max(n) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != openers*each {
		t.Errorf("counted to %d, want %d: a write was lost", n, openers*each)
	}
}

func increment(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow("SELECT coalesce(max(n), 0) FROM t").Scan(&n); err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO t VALUES (?)", n+1); err != nil {
		return err
	}
	return tx.Commit()
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}
