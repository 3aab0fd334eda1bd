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

// OpenMySQL returns the users in a MySQL or MariaDB database with the tables of
// init.sql. It does not connect.
func OpenMySQL(dsn string) (*Users, error) {
	cfg, err := mysqlConfig(dsn)
	if err != nil {
		return nil, err
	}
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
	return &Users{db: db, dialect: mysqlDialect}, nil
}

// mysqlConfig returns the settings of a DSN, with time limits if it has none.
func mysqlConfig(dsn string) (*mysql.Config, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("MYSQL_DSN must have the form user:password@tcp(host:3306)/database") // err may contain the password
	}
	setDefault(&cfg.Timeout, 5*time.Second)
	setDefault(&cfg.ReadTimeout, 10*time.Second)
	setDefault(&cfg.WriteTimeout, 10*time.Second)
	cfg.RejectReadOnly = true // after a failover, find the new primary
	return cfg, nil
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

// OpenSQLite returns the users in a database file. It creates missing tables.
func OpenSQLite(ctx context.Context, path string) (*Users, error) {
	db, err := sqlite.Open(path)
	if err != nil {
		return nil, err
	}
	for _, table := range []string{
		`CREATE TABLE IF NOT EXISTS users (
			id         TEXT NOT NULL PRIMARY KEY,
			email      TEXT NOT NULL UNIQUE,
			password   TEXT NOT NULL,
			created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
		) STRICT`,
		`CREATE TABLE IF NOT EXISTS throttle (
			id         BLOB NOT NULL PRIMARY KEY,
			expires_at INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX IF NOT EXISTS throttle_expires_at ON throttle (expires_at)",
	} {
		if _, err := db.ExecContext(ctx, table); err != nil {
			db.Close()
			return nil, fmt.Errorf("create tables of users: %w", err)
		}
	}
	return &Users{db: db, dialect: sqliteDialect}, nil
}

// CreateThrottle creates the table throttle in a MySQL database whose users were created
// by an earlier version of init.sql. It does nothing if the table exists, so the database
// user needs the right to create tables only for this.
func (s *Users) CreateThrottle(ctx context.Context) error {
	err := s.ping(ctx, "throttle")
	const erNoSuchTable = 1146
	if e := (*mysql.MySQLError)(nil); errors.As(err, &e) && e.Number == erNoSuchTable {
		// The same statement as in init.sql.
		_, err = s.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS throttle (
			id         BINARY(32) NOT NULL PRIMARY KEY,
			expires_at BIGINT     NOT NULL,
			KEY expires_at (expires_at)
		) ENGINE = InnoDB`)
	}
	if err != nil {
		return fmt.Errorf("table throttle: %w; if it is missing, run init.sql", err)
	}
	return nil
}
