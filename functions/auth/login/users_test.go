package login

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/id"
	"mp3converter/test/mysqltest"
)

func sqliteUsers(t testing.TB) *Users {
	t.Helper()
	s, err := OpenSQLite(context.Background(), filepath.Join(t.TempDir(), "users.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestUsers(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		contract(t, sqliteUsers(t))
		path := filepath.Join(t.TempDir(), "users.db")
		attemptsContract(t, func() *Users {
			s, err := OpenSQLite(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		})
	})
	t.Run("MariaDB", func(t *testing.T) {
		server := mysqltest.Start(t)
		s := openMySQL(t, server.Root)
		contract(t, s)
		attemptsContract(t, func() *Users { return openMySQL(t, server.Root) })
		t.Run("deadlock", func(t *testing.T) { testDeadlock(t, s) })
		t.Run("reconnects after the server was down", func(t *testing.T) {
			server.Kill(t)
			if err := s.Ping(t.Context()); err == nil {
				t.Error("Ping succeeds without a server")
			}
			if _, err := s.ByEmail(t.Context(), "a@example.com"); err == nil || errors.Is(err, ErrUserNotFound) {
				t.Errorf("ByEmail without a server: %v, which must not look like an unknown user", err)
			}
			server.Restart(t)
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

// contract tests what every database must do.
func contract(t *testing.T, s *Users) {
	ctx := t.Context()
	user := func(email string) User { return User{ID: id.New(), Email: email, Hash: newHash(cheap, "x").String()} }
	create := func(t *testing.T, email string) User {
		t.Helper()
		u := user(email)
		if err := s.Create(ctx, u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	hashOf := func(t *testing.T, email string) string {
		t.Helper()
		u, err := s.ByEmail(ctx, email)
		if err != nil {
			t.Fatal(err)
		}
		return u.Hash
	}

	t.Run("Ping with an empty table", func(t *testing.T) {
		if err := s.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("a stored user is found", func(t *testing.T) {
		for _, email := range []string{"plain@example.com", "grüße@example.com", "emoji😀@example.com"} {
			want := create(t, email)
			if got, err := s.ByEmail(ctx, email); err != nil || got != want {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
		}
	})
	t.Run("unknown address", func(t *testing.T) {
		if _, err := s.ByEmail(ctx, "nobody@example.com"); !errors.Is(err, ErrUserNotFound) {
			t.Errorf("%v, want ErrUserNotFound", err)
		}
	})
	t.Run("taken address", func(t *testing.T) {
		first := create(t, "taken@example.com")
		if err := s.Create(ctx, user("taken@example.com")); !errors.Is(err, ErrEmailTaken) {
			t.Errorf("%v, want ErrEmailTaken", err)
		}
		if got, _ := s.ByEmail(ctx, "taken@example.com"); got != first {
			t.Error("the second user replaced the first")
		}
	})
	t.Run("similar addresses are distinct", func(t *testing.T) {
		// Some collations of MySQL treat these as equal.
		create(t, "strasse@example.com")
		create(t, "straße@example.com")
		create(t, "resume@example.com")
		create(t, "résumé@example.com")
	})
	t.Run("concurrent registrations of one address", func(t *testing.T) {
		var won, taken atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				switch err := s.Create(ctx, user("race@example.com")); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, ErrEmailTaken):
					taken.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || taken.Load() != 7 {
			t.Errorf("%d succeeded and %d got ErrEmailTaken", won.Load(), taken.Load())
		}
	})
	t.Run("replaceHash replaces only the current hash", func(t *testing.T) {
		u := create(t, "rehash@example.com")
		if err := s.replaceHash(ctx, u, "new"); err != nil {
			t.Fatal(err)
		}
		if got := hashOf(t, u.Email); got != "new" {
			t.Errorf("stored %q", got)
		}
		if err := s.replaceHash(ctx, u, "newer"); err != nil { // u is out of date
			t.Fatal(err)
		}
		if got := hashOf(t, u.Email); got != "new" {
			t.Errorf("a concurrent password change was overwritten: %q", got)
		}
	})
	t.Run("SetPassword creates and changes", func(t *testing.T) {
		if err := s.SetPassword(ctx, " Set@Example.com ", "password 1"); err != nil {
			t.Fatal(err)
		}
		made, err := s.ByEmail(ctx, "set@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetPassword(ctx, "set@example.com", "password 2"); err != nil {
			t.Fatal(err)
		}
		changed, err := s.ByEmail(ctx, "set@example.com")
		if err != nil {
			t.Fatal(err)
		}
		h, err := parseHash(changed.Hash)
		if err != nil {
			t.Fatal(err)
		}
		if changed.ID != made.ID || h.matches("password 1") || !h.matches("password 2") {
			t.Errorf("changed %+v to %+v", made, changed)
		}
		if err := s.SetPassword(ctx, "not an address", "password 1"); err == nil {
			t.Error("a user without an address was created")
		}
		if err := s.SetPassword(ctx, "short@example.com", "short"); err == nil {
			t.Error("a short password was accepted")
		}
	})
	t.Run("cancelled context", func(t *testing.T) {
		over, cancel := context.WithCancel(ctx)
		cancel()
		if err := s.Create(over, user("over@example.com")); !errors.Is(err, context.Canceled) {
			t.Errorf("Create: %v", err)
		}
	})
}

// Without time limits a server that hangs would hold every login.
func TestMySQLSettings(t *testing.T) {
	for dsn, want := range map[string][3]time.Duration{
		"u:p@tcp(h)/d": {5 * time.Second, 10 * time.Second, 10 * time.Second},
		"u:p@tcp(h)/d?timeout=1s&readTimeout=2s&writeTimeout=3s": {time.Second, 2 * time.Second, 3 * time.Second},
	} {
		cfg, err := mysqlConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]time.Duration{cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout}; got != want {
			t.Errorf("%s: time limits %v, want %v", dsn, got, want)
		}
		if !cfg.RejectReadOnly {
			t.Errorf("%s: connections to a server that has become read-only are kept", dsn)
		}
	}
}

func TestErrorsDoNotContainDSN(t *testing.T) {
	_, err := OpenMySQL("root:hunter2@nowhere")
	if err == nil || errors.Is(err, ErrUserNotFound) {
		t.Fatal("a DSN without a database was accepted")
	}
	if got := err.Error(); got != "MYSQL_DSN must have the form user:password@tcp(host:3306)/database" {
		t.Errorf("error %q", got)
	}
}
