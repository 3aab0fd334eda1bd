package mysqltest

import (
	"database/sql"
	"testing"
)

// TestServer checks that the tables exist and that data survives Kill.
func TestServer(t *testing.T) {
	s := Start(t)
	db, err := sql.Open("mysql", s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO users (id, email, password) VALUES ('a', 'b', 'c')"); err != nil {
		t.Fatal(err)
	}
	s.Kill(t)
	if err := db.Ping(); err == nil {
		t.Fatal("the server still responds after Kill")
	}
	s.Restart(t)
	var n int
	if err := db.QueryRow("SELECT count(*) FROM users").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d users after the restart, %v", n, err)
	}
}
