package login

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mp3converter/shared/id"
)

var (
	// ErrNoUser says that nobody has that e-mail address.
	ErrNoUser = errors.New("login: no such user")
	// ErrEmailTaken says that somebody has that e-mail address.
	ErrEmailTaken = errors.New("login: e-mail address is taken")
)

// User is an account. Its ID is what tokens and jobs know it by, so the e-mail
// address may change.
type User struct {
	ID    string
	Email string // normalised
	Hash  string // of the password, in the PHC string format
}

// Users keeps users in an SQL database: MySQL, or one SQLite file. It is safe
// for concurrent use, also by several processes.
type Users struct {
	db *sql.DB
}

// Create stores a new user, or returns ErrEmailTaken.
func (s *Users) Create(ctx context.Context, u User) error {
	_, err := s.db.ExecContext(ctx, "INSERT INTO users (id, email, password) VALUES (?, ?, ?)", u.ID, u.Email, u.Hash)
	if err == nil {
		return nil
	}
	// Databases name a duplicate in their own ways; whether the address is
	// there is the same question to all.
	if _, lookup := s.ByEmail(ctx, u.Email); lookup == nil {
		return ErrEmailTaken
	}
	return fmt.Errorf("create user: %w", err)
}

// ByEmail returns the user of a normalised address, or ErrNoUser.
func (s *Users) ByEmail(ctx context.Context, email string) (User, error) {
	var u User
	err := s.db.QueryRowContext(ctx, "SELECT id, email, password FROM users WHERE email = ?", email).Scan(&u.ID, &u.Email, &u.Hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return User{}, ErrNoUser
	case err != nil:
		return User{}, fmt.Errorf("find user: %w", err)
	}
	return u, nil
}

// rehash stores another hash of the same password, unless the password has been
// changed meanwhile.
func (s *Users) rehash(ctx context.Context, u User, hash string) error {
	_, err := s.db.ExecContext(ctx, "UPDATE users SET password = ? WHERE id = ? AND password = ?", hash, u.ID, u.Hash)
	if err != nil {
		return fmt.Errorf("store hash: %w", err)
	}
	return nil
}

// SetPassword gives a user a password, and makes the user if there is none. It
// is for the operator: it asks nobody.
func (s *Users) SetPassword(ctx context.Context, name, password string) error {
	email, err := normalise(name)
	if err != nil {
		return err
	}
	if err := checkPassword(password); err != nil {
		return fmt.Errorf("the password will not do: %w", err)
	}
	hash := newHash(current, password).String()
	err = s.Create(ctx, User{ID: id.New(), Email: email, Hash: hash})
	if !errors.Is(err, ErrEmailTaken) {
		return err
	}
	if _, err := s.db.ExecContext(ctx, "UPDATE users SET password = ? WHERE email = ?", hash, email); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// Ping reports whether the database can be reached and has its table.
func (s *Users) Ping(ctx context.Context) error {
	var n int
	err := s.db.QueryRowContext(ctx, "SELECT 1 FROM users LIMIT 1").Scan(&n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("ping users: %w", err)
	}
	return nil
}

// Close ends the connections.
func (s *Users) Close() error { return s.db.Close() }
