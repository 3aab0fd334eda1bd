package login

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"mp3converter/shared/id"
)

var (
	// ErrUserNotFound means that no user has that e-mail address.
	ErrUserNotFound = errors.New("login: no such user")
	// ErrEmailTaken means that a user has that e-mail address.
	ErrEmailTaken = errors.New("login: e-mail address is taken")
)

// User is an account. Tokens and jobs refer to its ID, so the e-mail address may
// change.
type User struct {
	ID    string
	Email string // normalized
	Hash  string // of the password, in the PHC string format
}

// Users stores users, and counts their attempts to log in, in an SQL database: MySQL or
// SQLite. It is safe for concurrent use, even by several processes.
type Users struct {
	db *sql.DB
	dialect
	takes atomic.Uint64
}

// Create stores a new user, or returns ErrEmailTaken.
func (s *Users) Create(ctx context.Context, u User) error {
	_, err := s.db.ExecContext(ctx, "INSERT INTO users (id, email, password) VALUES (?, ?, ?)", u.ID, u.Email, u.Hash)
	if err == nil {
		return nil
	}
	// Each database reports a duplicate differently, so look the address up instead.
	if _, lookup := s.ByEmail(ctx, u.Email); lookup == nil {
		return ErrEmailTaken
	}
	return fmt.Errorf("create user: %w", err)
}

// ByEmail returns the user of a normalized address, or ErrUserNotFound.
func (s *Users) ByEmail(ctx context.Context, email string) (User, error) {
	var u User
	err := s.db.QueryRowContext(ctx, "SELECT id, email, password FROM users WHERE email = ?", email).Scan(&u.ID, &u.Email, &u.Hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return User{}, ErrUserNotFound
	case err != nil:
		return User{}, fmt.Errorf("find user: %w", err)
	}
	return u, nil
}

// replaceHash stores another hash of the same password, unless the password has
// changed meanwhile.
func (s *Users) replaceHash(ctx context.Context, u User, hash string) error {
	_, err := s.db.ExecContext(ctx, "UPDATE users SET password = ? WHERE id = ? AND password = ?", hash, u.ID, u.Hash)
	if err != nil {
		return fmt.Errorf("store hash: %w", err)
	}
	return nil
}

// SetPassword sets the password of a user and creates the user if necessary. It is
// for the operator and requires no authentication.
func (s *Users) SetPassword(ctx context.Context, name, password string) error {
	email, err := normalizeEmail(name)
	if err != nil {
		return err
	}
	if err := checkPassword(password); err != nil {
		return fmt.Errorf("invalid password: %w", err)
	}
	hash := newHash(currentParams, password).String()
	err = s.Create(ctx, User{ID: id.New(), Email: email, Hash: hash})
	if !errors.Is(err, ErrEmailTaken) {
		return err
	}
	if _, err := s.db.ExecContext(ctx, "UPDATE users SET password = ? WHERE email = ?", hash, email); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// Ping reports whether the database can be reached and has the tables.
func (s *Users) Ping(ctx context.Context) error {
	return errors.Join(s.ping(ctx, "users"), s.ping(ctx, "throttle"))
}

func (s *Users) ping(ctx context.Context, table string) error {
	var n int
	err := s.db.QueryRowContext(ctx, "SELECT 1 FROM "+table+" LIMIT 1").Scan(&n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("ping %s: %w", table, err)
	}
	return nil
}

// Close closes the connections.
func (s *Users) Close() error { return s.db.Close() }
