package login

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"mp3converter/shared/sqlite"
)

// OpenMySQL returns the users in a MySQL or MariaDB database with the table of
// init.sql. It does not connect.
func OpenMySQL(dsn string) (*Users, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("MYSQL_DSN must have the form user:password@tcp(host:3306)/database") // err may contain the password
	}
	setDefault(&cfg.Timeout, 5*time.Second)
	setDefault(&cfg.ReadTimeout, 10*time.Second)
	setDefault(&cfg.WriteTimeout, 10*time.Second)
	cfg.RejectReadOnly = true // after a failover, find the new primary
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, errors.New("MYSQL_DSN is invalid")
	}
	db := sql.OpenDB(connector)
	// Few, because many pods share one server; short-lived, because proxies
	// and firewalls drop old or idle connections.
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(4)
	db.SetConnMaxLifetime(5 * time.Minute)
	db.SetConnMaxIdleTime(time.Minute)
	return &Users{db}, nil
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

// OpenSQLite returns the users in a database file. It creates a missing table.
func OpenSQLite(ctx context.Context, path string) (*Users, error) {
	db, err := sqlite.Open(path)
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS users (
		id         TEXT NOT NULL PRIMARY KEY,
		email      TEXT NOT NULL UNIQUE,
		password   TEXT NOT NULL,
		created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
	) STRICT`)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("create table users: %w", err)
	}
	return &Users{db}, nil
}
