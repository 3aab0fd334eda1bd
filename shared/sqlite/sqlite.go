// Package sqlite opens SQLite database files with the settings that all stores on a
// single machine share: durable, and usable by several processes. It knows no
// tables; each store creates its own.
package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"modernc.org/sqlite" // the driver "sqlite"
)

// Connections bounds the connections of one pool. Readers run concurrently; writers
// take turns.
const Connections = 8

// busyTimeout bounds how long a connection waits for a lock on the file.
const busyTimeout = 10 * time.Second

// Open opens the database file at path. It creates a missing file, readable by this
// user only, in an existing directory. A file may be opened any number of times, also
// by several processes.
//
// Committed transactions survive a power failure. A transaction acquires the write
// lock when it begins, unless it is read-only, and waits for it for up to ten seconds
// or until its context ends. A transaction that reads and then writes therefore never
// fails because of a concurrent writer.
//
// On Linux, Open reserves 5 MiB of disk space for the log, and 1 MiB for the data of a
// new file, so that small changes and deletions work on a disk that becomes full.
func Open(path string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := create(abs); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}

	db, err := sql.Open("sqlite", dataSourceName(abs))
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", abs, err)
	}
	db.SetMaxOpenConns(Connections)
	db.SetMaxIdleConns(Connections)
	if err := connect(db); err != nil {
		db.Close()
		return nil, fmt.Errorf("sqlite: open %s: %w", abs, err)
	}
	reserveLog(abs)
	return db, nil
}

// creating prevents that create closes a file that another call has opened meanwhile.
var creating sync.Mutex

// create creates a missing file, readable by this user only. SQLite gives the write-ahead
// log the mode of the database file, so that mode protects both. An existing file is not
// opened: closing it would release the locks that this process has on it.
func create(abs string) error {
	creating.Lock()
	defer creating.Unlock()
	f, err := os.OpenFile(abs, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	reserveData(f)
	return f.Close()
}

// connect opens the first connection. SQLite ignores the busy timeout and returns
// SQLITE_BUSY at once while another connection switches a new file to write-ahead
// logging, recovers the log, or deletes it because it is the last one to close. Later
// connections are not affected, because the first one keeps the log in place.
func connect(db *sql.DB) error {
	for deadline := time.Now().Add(busyTimeout); ; time.Sleep(5 * time.Millisecond) {
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

// dataSourceName returns the file as a URI, so that no character of the path is
// taken for a parameter.
func dataSourceName(abs string) string {
	q := url.Values{
		"_busy_timeout": {strconv.FormatInt(busyTimeout.Milliseconds(), 10)},
		"_journal_mode": {"WAL"},  // readers don't wait for writers
		"_synchronous":  {"FULL"}, // a commit returns once it is on the disk
		"_foreign_keys": {"on"},
		"_txlock":       {"immediate"},
		"_dqs":          {"false"}, // "x" is an identifier, never a string
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: q.Encode()}
	return u.String()
}
