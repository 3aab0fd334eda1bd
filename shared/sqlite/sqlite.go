// Package sqlite opens SQLite database files the way every store on one laptop
// needs them: durable, and shared by several users of the same file. It knows
// no tables; each store makes its own.
package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"modernc.org/sqlite" // the driver "sqlite"
)

// Connections bounds the connections of one pool. Readers run side by side;
// writers take turns whatever their number.
const Connections = 8

// patience bounds how long a connection waits for others that hold the file.
const patience = 10 * time.Second

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
	if err := connect(db); err != nil {
		db.Close()
		return nil, fmt.Errorf("sqlite: open %s: %w", abs, err)
	}
	return db, nil
}

// connect makes the first connection. SQLite answers SQLITE_BUSY at once,
// whatever the busy timeout, while another connection switches a new file to
// its write-ahead log, recovers that log, or removes it as the last to close.
// Later connections don't meet that: the first one keeps the log in place.
func connect(db *sql.DB) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := db.Ping()
		if !busy(err) || time.Now().After(deadline) {
			return err
		}
	}
}

func busy(err error) bool {
	const primary, sqliteBusy = 0xff, 5 // SQLITE_BUSY and its extended codes
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&primary == sqliteBusy
}

// name is what the driver calls the file: a URI, so that no character of the
// path is taken for a parameter.
func name(abs string) string {
	q := url.Values{
		"_busy_timeout": {strconv.FormatInt(patience.Milliseconds(), 10)},
		"_journal_mode": {"WAL"},  // readers don't wait for writers
		"_synchronous":  {"FULL"}, // a commit returns once it is on the disk
		"_foreign_keys": {"on"},
		"_txlock":       {"immediate"},
		"_dqs":          {"false"}, // "x" is a column, never a text
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: q.Encode()}
	return u.String()
}
