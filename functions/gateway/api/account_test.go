package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mp3converter/functions/auth/login"
	"mp3converter/shared/forwarded"
	"mp3converter/shared/problem"
)

// The gateway forwards the responses of the auth function, which must also match the
// OpenAPI document.
func TestAccount(t *testing.T) {
	s := startGateway(t, func(g *setup) {
		users, err := login.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "users.db"))
		if err != nil {
			t.Fatal(err)
		}
		g.Auth, err = login.New(login.Config{
			Registration: "open", TokenTTL: time.Hour, HashWait: 30 * time.Second,
			PairBurst: 3, PairRate: 1, AccountBurst: 10, AccountRate: 1, ClientBurst: 10, ClientRate: 1,
		}, users, g.Keys)
		if err != nil {
			t.Fatal(err)
		}
	})
	const account = `{"email":"anna@example.com","password":"a long password"}`
	const credentials = "Basic YW5uYUBleGFtcGxlLmNvbTphIGxvbmcgcGFzc3dvcmQ="
	asJSON := []string{"Authorization", "", "Content-Type", "application/json"}

	if res, b := s.do(t, "POST", "/register", strings.NewReader(account), asJSON...); res.StatusCode != 201 {
		t.Fatalf("register: %d %s", res.StatusCode, b)
	}
	for body, want := range map[string]problem.Kind{
		account: problem.EmailTaken,
		`{"email":"anna","password":"a long password"}`: problem.BadEmail,
		`{"email":"bert@example.com","password":"x"}`:   problem.BadPassword,
		`not JSON`: problem.BadRequest,
		// Only its size is wrong.
		`{"email":"carl@example.com","password":"a long password"}` + strings.Repeat(" ", 9<<10): problem.BadRequest,
	} {
		res, b := s.do(t, "POST", "/register", strings.NewReader(body), asJSON...)
		checkProblem(t, res, b, want)
	}

	res, b := s.do(t, "POST", "/login", nil, "Authorization", credentials)
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("login: %d %s", res.StatusCode, b)
	}
	s.token = strings.TrimSpace(string(b))
	if res, b := s.do(t, "GET", "/jobs", nil); res.StatusCode != 200 {
		t.Errorf("with the token: %d %s", res.StatusCode, b)
	}
	res, b = s.do(t, "POST", "/login", nil, "Authorization", credentials, "Accept", "application/json")
	if got := decode[struct{ Token string }](t, b).Token; res.StatusCode != 200 || strings.Count(got, ".") != 2 {
		t.Errorf("as JSON: %d %s", res.StatusCode, b)
	}
	res, b = s.do(t, "POST", "/login", nil, "Authorization", "Basic YTpi")
	checkProblem(t, res, b, problem.BadCredentials)
	res, b = s.do(t, "POST", "/login", nil, "Authorization", "")
	checkProblem(t, res, b, problem.BadCredentials)
	for range 10 {
		if res, b = s.do(t, "POST", "/login", nil, "Authorization", "Basic YTpi"); res.StatusCode == problem.TooManyRequests.Status {
			break
		}
	}
	checkProblem(t, res, b, problem.TooManyRequests)
}

// Forms are accepted too. A new account may need a code, and may be refused altogether.
func TestRegistration(t *testing.T) {
	const code = "a registration code"
	form := url.Values{"email": {"anna@example.com"}, "password": {"a long password"}, "code": {code}}
	without := url.Values{"email": {"bert@example.com"}, "password": {"a long password"}}
	for mode, steps := range map[string][]struct {
		form url.Values
		want problem.Kind // the zero Kind for success
	}{
		"code":   {{without, problem.BadRegistrationCode}, {form, problem.Kind{}}, {form, problem.TooManyRequests}},
		"closed": {{form, problem.RegistrationClosed}},
	} {
		s := startGateway(t, func(g *setup) {
			users, err := login.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "users.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { users.Close() })
			g.Auth, err = login.New(login.Config{
				Registration: mode, RegistrationCode: code, TokenTTL: time.Hour, HashWait: 30 * time.Second,
				PairBurst: 9, PairRate: 1, AccountBurst: 9, AccountRate: 1, ClientBurst: 2, ClientRate: 1,
			}, users, g.Keys)
			if err != nil {
				t.Fatal(err)
			}
		})
		for i, step := range steps {
			res, b := s.do(t, "POST", "/register", strings.NewReader(step.form.Encode()), "Authorization", "", "Content-Type", "application/x-www-form-urlencoded")
			if step.want.Status != 0 {
				checkProblem(t, res, b, step.want)
			} else if res.StatusCode != http.StatusCreated {
				t.Errorf("%s, step %d: %d %s", mode, i, res.StatusCode, b)
			}
		}
	}
}

// Credentials too long to forward are an error of the client, not of the auth
// function.
func TestLongCredentialsAreRejected(t *testing.T) {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}))
	defer auth.Close()
	s := startGateway(t, func(g *setup) {
		var err error
		if g.Auth, err = AuthProxy(auth.URL, g.Keys, forwarded.Config{}); err != nil {
			t.Fatal(err)
		}
	})
	for _, path := range []string{"/register", "/login"} {
		res, b := s.do(t, "POST", path, strings.NewReader(strings.Repeat("a", 2*maxAuthBody)), "Authorization", "")
		checkProblem(t, res, b, problem.BadRequest)
	}
}
