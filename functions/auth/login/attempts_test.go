package login

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"mp3converter/test/mysqltest"
)

// attemptsContract tests the table throttle of either database. open opens it again, as
// another pod does.
func attemptsContract(t *testing.T, open func() *Users) {
	ctx := t.Context()
	s := open()
	var ids byte
	newLimit := func(burst int) limit {
		ids++
		return limit{rowID{0, ids}, rate{time.Minute, burst}}
	}
	take := func(t *testing.T, limits ...limit) refusal {
		t.Helper()
		r, err := s.take(ctx, limits)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	admitted := func(t *testing.T, limits ...limit) {
		t.Helper()
		if r := take(t, limits...); r != (refusal{}) {
			t.Fatalf("refused for %v because of %x", r.wait, r.id[:2])
		}
	}
	refused := func(t *testing.T, by limit, min, max time.Duration, limits ...limit) {
		t.Helper()
		r := take(t, limits...)
		if r.id != by.id {
			t.Fatalf("refused because of %x, want %x", r.id[:2], by.id[:2])
		}
		if r.wait < min || r.wait > max {
			t.Fatalf("wait %v, want %v to %v", r.wait, min, max)
		}
	}

	t.Run("a burst, then one per interval", func(t *testing.T) {
		a := newLimit(3)
		for range 3 {
			admitted(t, a)
		}
		refused(t, a, time.Second, time.Minute, a)
		refused(t, a, time.Second, time.Minute, a) // a refused attempt does not count
		age(t, s, time.Minute)
		admitted(t, a)
		refused(t, a, time.Second, time.Minute, a)
		age(t, s, time.Hour)
		for range 3 {
			admitted(t, a)
		}
		refused(t, a, time.Second, time.Minute, a)
	})
	t.Run("all limits or none", func(t *testing.T) {
		a, b, c := newLimit(5), newLimit(1), newLimit(5)
		admitted(t, a, b, c)
		for range 10 {
			refused(t, b, time.Second, time.Minute, a, b, c)
		}
		for range 4 {
			admitted(t, a, c)
		}
		refused(t, a, time.Second, time.Minute, a, c)
	})
	t.Run("the wait is that of the slowest limit", func(t *testing.T) {
		a, b := newLimit(1), newLimit(2)
		b.interval = time.Hour
		for range 2 {
			admitted(t, b)
		}
		admitted(t, a)
		refused(t, a, 30*time.Minute, time.Hour, a, b)
	})
	t.Run("concurrent attempts of several pods", func(t *testing.T) {
		const pods, attempts, burst = 4, 15, 20
		shared := newLimit(burst)
		shared.interval = time.Hour
		var count atomic.Int32
		var wg sync.WaitGroup
		for pod := range pods {
			u := open()
			for i := range attempts {
				own := limit{rowID{1, byte(pod), byte(i)}, rate{time.Hour, 1}}
				wg.Go(func() {
					r, err := u.take(ctx, []limit{own, shared})
					if err != nil {
						t.Error(err)
					}
					if r.wait == 0 {
						count.Add(1)
					}
				})
			}
		}
		wg.Wait()
		if got := count.Load(); got != burst {
			t.Errorf("%d of %d attempts were admitted, want %d", got, pods*attempts, burst)
		}
	})
	t.Run("a known client", func(t *testing.T) {
		id := rowID{2}
		check := func(want bool, when string) {
			t.Helper()
			if got, err := s.has(ctx, id); err != nil || got != want {
				t.Fatalf("%s: known %v, %v, want %v", when, got, err, want)
			}
		}
		const age90 = 90 * 24 * time.Hour
		check(false, "before")
		for _, when := range []string{"at first", "once more"} {
			if err := s.remember(ctx, id, age90); err != nil {
				t.Fatal(err)
			}
			check(true, when)
		}
		age(t, s, age90-time.Hour)
		check(true, "before it is forgotten")
		if err := s.remember(ctx, id, age90); err != nil {
			t.Fatal(err)
		}
		age(t, s, age90-time.Hour)
		check(true, "after a second login")
		age(t, s, 2*time.Hour)
		check(false, "at last")
	})
	t.Run("expired rows are deleted", func(t *testing.T) {
		count := func() (n int) {
			if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM throttle").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if _, err := s.db.ExecContext(ctx, "DELETE FROM throttle"); err != nil {
			t.Fatal(err)
		}
		live := newLimit(3)
		live.interval = time.Hour
		for range 3 {
			admitted(t, live)
		}
		values := strings.Repeat(fmt.Sprintf(", (?, %s - 70000000)", s.now), 2*cleanRows)[2:]
		old := make([]any, 2*cleanRows)
		for i := range old {
			old[i] = append([]byte{3, byte(i), byte(i >> 8)}, make([]byte, 29)...)
		}
		if _, err := s.db.ExecContext(ctx, "INSERT INTO throttle (id, expires_at) VALUES "+values, old...); err != nil {
			t.Fatal(err)
		}
		pod := open()
		steps := []int{1 + 2*cleanRows, 1 + cleanRows, 1}
		if got := count(); got != steps[0] {
			t.Fatalf("%d rows, want %d", got, steps[0])
		}
		for _, want := range steps[1:] { // the first attempt of a pod deletes, then every 16th
			for range cleanInterval {
				if _, err := pod.take(ctx, []limit{live}); err != nil {
					t.Fatal(err)
				}
			}
			if got := count(); got != want {
				t.Fatalf("%d rows, want %d", got, want)
			}
		}
		refused(t, live, time.Minute, time.Hour, live) // it was not deleted
	})
	t.Run("cancelled context", func(t *testing.T) {
		over, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.take(over, []limit{newLimit(1)}); !errors.Is(err, context.Canceled) {
			t.Errorf("take: %v", err)
		}
		if _, err := s.has(over, rowID{2}); !errors.Is(err, context.Canceled) {
			t.Errorf("has: %v", err)
		}
		if err := s.remember(over, rowID{2}, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("remember: %v", err)
		}
	})
}

// An attempt that InnoDB rolls back because of a deadlock is repeated.
func testDeadlock(t *testing.T, s *Users) {
	ctx := t.Context()
	a, b := limit{rowID{4}, rate{time.Hour, 9}}, limit{rowID{5}, rate{time.Hour, 9}}
	if _, err := s.take(ctx, []limit{a, b}); err != nil {
		t.Fatal(err)
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	lock := func(l limit) {
		t.Helper()
		if _, err := tx.ExecContext(ctx, "UPDATE throttle SET expires_at = expires_at + 1 WHERE id = ?", l.id[:]); err != nil {
			t.Fatal(err)
		}
	}
	lock(b)
	ended := make(chan error, 1)
	go func() {
		_, err := s.take(ctx, []limit{a, b})
		ended <- err
	}()
	waitForLock(t, s)
	lock(a) // the attempt has locked a and waits for b; InnoDB ends it because it has changed less
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("attempt: %v", err)
	}
}

// waitForLock waits until a transaction waits for a lock. InnoDB updates this table only
// if nobody has read it for 100 ms.
func waitForLock(t *testing.T, s *Users) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(150 * time.Millisecond) {
		var n int
		if err := s.db.QueryRow("SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("no transaction waits for a lock")
}

// A database whose users were created by an earlier version lacks the table.
func TestCreateThrottle(t *testing.T) {
	server := mysqltest.Start(t)
	root := openMySQL(t, server.Root)
	ctx := t.Context()
	exec := func(query string) {
		t.Helper()
		if _, err := root.db.ExecContext(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE USER limited IDENTIFIED BY 'secret'")
	exec("GRANT SELECT, INSERT, UPDATE ON mp3converter.users TO limited")
	exec("GRANT SELECT, INSERT, UPDATE, DELETE ON mp3converter.throttle TO limited")
	cfg, err := mysql.ParseDSN(server.Root)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Passwd = "limited", "secret"
	limited := openMySQL(t, cfg.FormatDSN())

	t.Run("the user needs no right to create it", func(t *testing.T) {
		if err := limited.CreateThrottle(ctx); err != nil {
			t.Error(err)
		}
		if err := limited.Ping(ctx); err != nil {
			t.Error(err)
		}
		if _, err := limited.take(ctx, []limit{{rowID{1}, rate{time.Minute, 1}}}); err != nil {
			t.Error(err)
		}
		if err := limited.remember(ctx, rowID{2}, time.Hour); err != nil {
			t.Error(err)
		}
		if err := limited.SetPassword(ctx, "a@example.com", "password"); err != nil {
			t.Error(err)
		}
	})
	definition := func() (text string) {
		if err := root.db.QueryRowContext(ctx, "SHOW CREATE TABLE throttle").Scan(new(string), &text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	want := definition()
	exec("DROP TABLE throttle")
	t.Run("missing", func(t *testing.T) {
		if err := root.Ping(ctx); err == nil {
			t.Error("Ping succeeds without the table")
		}
		if err := limited.CreateThrottle(ctx); err == nil || !strings.Contains(err.Error(), "run init.sql") {
			t.Errorf("without the right to create it: %v, want an error that says what to do", err)
		}
		for range 2 {
			if err := root.CreateThrottle(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if got := definition(); got != want {
			t.Errorf("created as\n%s\nin init.sql it is\n%s", got, want)
		}
	})
	t.Run("server away", func(t *testing.T) {
		server.Kill(t)
		if err := root.CreateThrottle(ctx); err == nil {
			t.Error("CreateThrottle succeeds without a server")
		}
	})
}

func openMySQL(t *testing.T, dsn string) *Users {
	t.Helper()
	s, err := OpenMySQL(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
