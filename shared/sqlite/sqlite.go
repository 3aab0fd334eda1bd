// Package sqlite opens SQLite database files the way every store on one laptop
// needs them: durable, and shared by several users of the same file. It knows
// no tables; each store makes its own.
package sqlite

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Connections bounds the connections of one pool. Readers run side by side;
// writers take turns whatever their number.
const Connections = 8

// Open opens the database file at path, and creates it, readable by this user
// alone, when it is missing. The directory must exist. A file may be opened
// any number of times, also by several processes.
//
// What has been committed survives a loss of power. A transaction takes the
// right to write when it begins, unless it is begun read-only; it waits up to
// ten seconds for other writers, or until its context ends. So a transaction
// that reads and then writes never fails for having been overtaken.
func Open(path string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	// SQLite gives its log the mode of the database file, so making that
	// file first settles who can read the whole of it.
	f, err := os.OpenFile(abs, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}

	db, err := sql.Open("sqlite", name(abs))
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", abs, err)
	}
	db.SetMaxOpenConns(Connections)
	db.SetMaxIdleConns(Connections)
	if err := db.Ping(); err != nil {
		db.Close()
		return nil, fmt.Errorf("sqlite: open %s: %w", abs, err)
	}
	return db, nil
}

// name is what the driver calls the file: a URI, so that no character of the
// path is taken for a parameter.
func name(abs string) string {
	q := url.Values{
		"_busy_timeout": {"10000"}, // milliseconds
		"_journal_mode": {"WAL"},   // readers don't wait for writers
		"_synchronous":  {"FULL"},  // a commit returns once it is on the disk
		"_foreign_keys": {"on"},
		"_txlock":       {"immediate"},
		"_dqs":          {"false"}, // "x" is a column, never a text
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: q.Encode()}
	return u.String()
}
