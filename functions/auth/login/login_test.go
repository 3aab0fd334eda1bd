package login

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/token"
)

const password = "correct horse: battery" // a password may contain a colon

var testKeys, otherKeys = keysOf("k"), keysOf("o")

func keysOf(fill string) token.Keys {
	k, err := token.ParseKeys("k:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32))))
	if err != nil {
		panic(err)
	}
	return k
}

func testConfig() Config {
	return Config{
		Registration: "open", TokenTTL: time.Hour, HashWait: time.Minute,
		PairBurst: 1000, PairRate: 1000, AccountBurst: 1000, AccountRate: 1000, ClientBurst: 1000, ClientRate: 1000,
	}
}

// unlimited returns a configuration whose limits no test exhausts.
func unlimited() Config {
	c := testConfig()
	c.PairBurst, c.AccountBurst, c.ClientBurst = 1e9, 1e9, 1e9
	c.PairRate, c.AccountRate, c.ClientRate = 1e9, 1e9, 1e9
	return c
}

// withCode returns a configuration whose registrations need testCode.
func withCode() Config {
	c := testConfig()
	c.Registration, c.RegistrationCode = "code", testCode
	return c
}

const testCode = "long enough: code"

// start returns a server with the user me@example.com.
func start(t testing.TB, cfg Config) *server {
	t.Helper()
	s, err := newServer(cfg, sqliteUsers(t), testKeys)
	if err != nil {
		t.Fatal(err)
	}
	if s.hasher.params != currentParams {
		t.Errorf("passwords are hashed with %+v", s.hasher.params)
	}
	s.hasher = newHasher(cheap, cfg.HashWait)
	me := User{ID: "me", Email: "me@example.com", Hash: newHash(cheap, password).String()}
	if err := s.users.Create(context.Background(), me); err != nil {
		t.Fatal(err)
	}
	return s
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// post sends a request with the given headers, each of the form "Name: value".
func post(s *server, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, r)
	return w
}

func logIn(s *server, name, password string) *httptest.ResponseRecorder {
	return post(s, "/login", "", "Authorization: "+basic(name, password))
}

func code(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var doc struct{ Code string }
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("%d with content type %q, want a problem: %s", w.Code, got, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Code
}

func TestLoginReturnsToken(t *testing.T) {
	s := start(t, testConfig())
	w := logIn(s, " Me@Example.com", password)
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	c, err := testKeys.Verify(w.Body.String(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != "me" || c.Email != "me@example.com" || c.ExpiresAt.Sub(c.IssuedAt) != time.Hour {
		t.Errorf("claims %+v", c)
	}

	w = post(s, "/login", "", "Authorization: "+basic("me@example.com", password), "Accept: application/json")
	var answer struct {
		Token, TokenType, Email string
		ExpiresAt               time.Time
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if c, err = testKeys.Verify(answer.Token, time.Now()); err != nil {
		t.Fatal(err)
	}
	if answer.TokenType != "Bearer" || answer.Email != "me@example.com" || !answer.ExpiresAt.Equal(c.ExpiresAt) {
		t.Errorf("answer %+v", answer)
	}
}

func TestLoginRejects(t *testing.T) {
	s := start(t, testConfig())
	for name, c := range map[string]struct {
		authorization string
		challenge     string
	}{
		"no header":       {"", "Basic"},
		"bearer":          {"Bearer x", "Basic"},
		"not base64":      {"Basic !!!", "Basic"},
		"no colon":        {"Basic " + base64.StdEncoding.EncodeToString([]byte("me@example.com")), "Basic"},
		"wrong password":  {basic("me@example.com", "wrong"), "xBasic"},
		"no password":     {basic("me@example.com", ""), "xBasic"},
		"unknown user":    {basic("you@example.com", password), "xBasic"},
		"not an address":  {basic("' OR 1=1 --", password), "xBasic"},
		"nothing at all":  {basic("", ""), "xBasic"},
		"bytes, not text": {basic("\xff\xfe@example.com", "\xff"), "xBasic"},
		"huge password":   {basic("me@example.com", strings.Repeat("p", 40_000)), "xBasic"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(s, "/login", "", "Authorization: "+c.authorization)
			if got := code(t, w); w.Code != 401 || got != "bad_credentials" {
				t.Errorf("%d %s, want 401 bad_credentials", w.Code, got)
			}
			if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, c.challenge+" ") {
				t.Errorf("WWW-Authenticate: %q, want %s", got, c.challenge)
			}
		})
	}
}

// What each kind of client needs to know after a failed login: a program that sends no
// credentials unasked is asked, and no browser shows a dialog of its own.
func TestLoginChallenge(t *testing.T) {
	s := start(t, testConfig())
	right, wrong := "Authorization: "+basic("me@example.com", password), "Authorization: "+basic("me@example.com", "wrong")
	for name, c := range map[string]struct {
		headers   []string
		challenge string // "" for a login that succeeds
	}{
		"curl -u":                             {[]string{right, "User-Agent: curl/8"}, ""},
		"curl -u, wrong password":             {[]string{wrong, "User-Agent: curl/8"}, "xBasic"},
		"curl":                                {[]string{"User-Agent: curl/8"}, "Basic"},
		"wget --user, first request":          {[]string{"User-Agent: Wget/1"}, "Basic"},
		"wget --user, second request":         {[]string{right, "User-Agent: Wget/1"}, ""},
		"requests, wrong password":            {[]string{wrong, "User-Agent: python-requests/2"}, "xBasic"},
		"the page, wrong password":            {[]string{wrong, "Origin: http://localhost:8080", "Sec-Fetch-Mode: cors"}, "xBasic"},
		"a page, no credentials":              {[]string{"Origin: https://example.com", "Sec-Fetch-Mode: cors"}, "xBasic"},
		"a page over HTTP, no credentials":    {[]string{"Origin: http://example.com"}, "xBasic"},
		"XMLHttpRequest of an old browser":    {[]string{"X-Requested-With: XMLHttpRequest"}, "xBasic"},
		"a form that a browser sends":         {[]string{"Origin: null", "Sec-Fetch-Mode: navigate"}, "xBasic"},
		"a token in place of the credentials": {[]string{"Authorization: Bearer x"}, "Basic"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(s, "/login", "", c.headers...)
			got, _, _ := strings.Cut(w.Header().Get("WWW-Authenticate"), " ")
			if got != c.challenge || (w.Code == 200) != (c.challenge == "") {
				t.Errorf("%d, scheme %q, want %q", w.Code, got, c.challenge)
			}
		})
	}
}

// The test counts key derivations instead of measuring time: they take most of it.
func TestUnknownUserLooksLikeWrongPassword(t *testing.T) {
	s := start(t, testConfig())
	work := func(name string) (int64, string) {
		before := derivations.Load()
		w := logIn(s, name, "wrong password")
		return derivations.Load() - before, fmt.Sprint(w.Code, w.Header(), w.Body)
	}
	hashes, answer := work("me@example.com")
	if hashes != 1 {
		t.Fatalf("a wrong password took %d key derivations, want 1", hashes)
	}
	for _, name := range []string{"you@example.com", "not an address", ""} {
		if n, a := work(name); n != hashes || a != answer {
			t.Errorf("%q took %d key derivations and returned\n%s\nwant %d and\n%s", name, n, a, hashes, answer)
		}
	}
	dummy, err := parseHash(s.hasher.dummy)
	if err != nil || dummy.params != s.hasher.params {
		t.Errorf("the hash for unknown users has other parameters: %+v, %v", dummy.params, err)
	}
}

// The gateway holds the key of the tokens too, so no token may give access to accounts.
func TestTokenIsNoCredential(t *testing.T) {
	s := start(t, withCode())
	raw, _, err := testKeys.Issue("me", "me@example.com", time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	body := `{"email":"new@example.com","password":"12345678","code":"` + raw + `"}`
	for name, w := range map[string]*httptest.ResponseRecorder{
		"login, as a bearer token": post(s, "/login", "", "Authorization: Bearer "+raw),
		"login, as the password":   logIn(s, "me@example.com", raw),
		"registration":             post(s, "/register", body, "Authorization: Bearer "+raw, "Content-Type: application/json"),
	} {
		if w.Code != 401 && w.Code != 403 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestOldHashIsUpgradedAtLogin(t *testing.T) {
	s := start(t, testConfig())
	s.hasher.params = params{memory: 16, time: 1, threads: 1}
	for range 2 {
		if w := logIn(s, "me@example.com", password); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	u, err := s.users.ByEmail(t.Context(), "me@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(u.Hash, "$m=16,t=1,p=1$") {
		t.Errorf("stored %s", u.Hash)
	}
}

func TestRegister(t *testing.T) {
	const asJSON, asForm = "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded; charset=utf-8"
	long := strings.Repeat("p", MaxPassword)
	for _, c := range []struct {
		name, header, body string
		status             int
		code               string
	}{
		{"JSON", asJSON, `{"email":"New@Example.com ","password":"12345678"}`, 201, ""},
		{"form", asForm, "email=form%40example.com&password=pass+word", 201, ""},
		{"eight characters that are not ASCII", asJSON, `{"email":"umlaut@example.com","password":"äöüäöüäö"}`, 201, ""},
		{"longest password", asJSON, `{"email":"long@example.com","password":"` + long + `"}`, 201, ""},
		{"taken", asJSON, `{"email":"ME@example.com","password":"12345678"}`, 409, "email_taken"},
		{"password too short", asJSON, `{"email":"a@example.com","password":"1234567"}`, 400, "bad_password"},
		{"password too long", asJSON, `{"email":"a@example.com","password":"` + long + `p"}`, 400, "bad_password"},
		{"no password", asJSON, `{"email":"a@example.com"}`, 400, "bad_password"},
		{"no address", asJSON, `{"password":"12345678"}`, 400, "bad_email"},
		{"address with a name", asJSON, `{"email":"A <a@example.com>","password":"12345678"}`, 400, "bad_email"},
		{"address with a line break", asJSON, `{"email":"a@example.com\nBcc: b@example.com","password":"12345678"}`, 400, "bad_email"},
		{"address with a colon", asJSON, `{"email":"\"a:b\"@example.com","password":"12345678"}`, 400, "bad_email"},
		{"two addresses", asJSON, `{"email":"a@example.com,b@example.com","password":"12345678"}`, 400, "bad_email"},
		{"address too long", asJSON, `{"email":"` + strings.Repeat("a", 250) + `@example.com","password":"12345678"}`, 400, "bad_email"},
		{"broken JSON", asJSON, `{"email":`, 400, "bad_request"},
		{"not an object", asJSON, `["a@example.com"]`, 400, "bad_request"},
		{"broken form", asForm, "email=%zz", 400, "bad_request"},
		{"no type", "Accept: */*", `{}`, 400, "bad_request"},
		{"another type", "Content-Type: text/plain", "a@example.com", 400, "bad_request"},
		// Only their sizes are wrong.
		{"huge JSON", asJSON, `{"email":"a@example.com","password":"12345678"}` + strings.Repeat(" ", maxBody), 400, "bad_request"},
		{"huge form", asForm, "email=a%40example.com&password=12345678&x=" + strings.Repeat("x", maxBody), 400, "bad_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, testConfig())
			w := post(s, "/register", c.body, c.header)
			if w.Code != c.status {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, c.status)
			}
			if c.code != "" && code(t, w) != c.code {
				t.Errorf("%s, want code %s", w.Body, c.code)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q, want no-store", got)
			}
		})
	}
}

func TestRegisteredUserCanLogIn(t *testing.T) {
	s := start(t, testConfig())
	post(s, "/register", `{"email":"New@Example.com","password":"pass:word"}`, "Content-Type: application/json")
	if w := logIn(s, "new@example.com", "pass:word"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRegistrationClosed(t *testing.T) {
	cfg := testConfig()
	cfg.Registration = "closed"
	s := start(t, cfg)
	w := post(s, "/register", `{"email":"new@example.com","password":"12345678"}`, "Content-Type: application/json")
	if got := code(t, w); w.Code != 403 || got != "registration_closed" {
		t.Errorf("%d %s", w.Code, got)
	}
	if w := logIn(s, "me@example.com", password); w.Code != 200 {
		t.Errorf("login: %d", w.Code)
	}
}

func TestRegistrationCode(t *testing.T) {
	const asJSON, asForm = "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded"
	s := start(t, withCode())
	for _, c := range []struct {
		name, header, body string
		status             int
		code               string
	}{
		{"JSON", asJSON, `{"email":"json@example.com","password":"12345678","code":"` + testCode + `"}`, 201, ""},
		{"form", asForm, "email=form@example.com&password=12345678&code=long+enough:+code", 201, ""},
		{"spaces around it", asJSON, `{"email":"pasted@example.com","password":"12345678","code":" ` + testCode + `\n"}`, 201, ""},
		{"none", asJSON, `{"email":"new@example.com","password":"12345678"}`, 403, "bad_registration_code"},
		{"empty", asForm, "email=new@example.com&password=12345678&code=", 403, "bad_registration_code"},
		{"wrong", asJSON, `{"email":"new@example.com","password":"12345678","code":"LONG ENOUGH: CODE"}`, 403, "bad_registration_code"},
		{"the beginning", asForm, "email=new@example.com&password=12345678&code=long+enough", 403, "bad_registration_code"},
		// Without the code nobody learns which addresses have an account.
		{"wrong, taken", asJSON, `{"email":"me@example.com","password":"12345678","code":"x"}`, 403, "bad_registration_code"},
		{"wrong, bad address", asJSON, `{"email":"me","password":"12345678","code":"x"}`, 403, "bad_registration_code"},
	} {
		w := post(s, "/register", c.body, c.header)
		if w.Code != c.status || c.code != "" && code(t, w) != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, w.Body, c.status, c.code)
		}
	}
}

func TestDatabaseUnavailable(t *testing.T) {
	s := start(t, testConfig())
	s.users.Close()
	for name, w := range map[string]*httptest.ResponseRecorder{
		"login":    logIn(s, "me@example.com", password),
		"register": post(s, "/register", `{"email":"new@example.com","password":"12345678"}`, "Content-Type: application/json"),
	} {
		if got := code(t, w); w.Code != 503 || got != "unavailable" {
			t.Errorf("%s: %d %s, want 503 unavailable", name, w.Code, got)
		}
	}
}

// Without the counts nobody may guess without limit.
func TestCountsUnavailable(t *testing.T) {
	s := start(t, testConfig())
	if _, err := s.users.db.Exec("DROP TABLE throttle"); err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"login":    logIn(s, "me@example.com", password),
		"register": post(s, "/register", `{"email":"new@example.com","password":"12345678"}`, "Content-Type: application/json"),
	} {
		if got := code(t, w); w.Code != 503 || got != "unavailable" {
			t.Errorf("%s: %d %s, want 503 unavailable", name, w.Code, got)
		}
	}
}

// What a login also writes may fail: the next one tries again.
func TestLoginSucceedsIfWriteFails(t *testing.T) {
	for name, trigger := range map[string]string{
		"upgraded hash": "UPDATE ON users",
		"known client":  "INSERT ON throttle WHEN NEW.expires_at > unixepoch('now', '+1 day') * 1000000",
		"old counts":    "DELETE ON throttle",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, testConfig())
			s.hasher.params = params{memory: 16, time: 1, threads: 1}
			for _, query := range []string{
				"INSERT INTO throttle (id, expires_at) VALUES (x'00', 0)",
				"CREATE TRIGGER fail BEFORE " + trigger + " BEGIN SELECT RAISE(FAIL, 'failed by the test'); END",
			} {
				if _, err := s.users.db.Exec(query); err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			defer slog.SetDefault(slog.Default())
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
			if w := logIn(s, "me@example.com", password); w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if !strings.Contains(log.String(), "failed by the test") {
				t.Errorf("the error was not logged: %s", log.String())
			}
		})
	}
}

func TestNoCredentialsInLog(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(old)
	s := start(t, testConfig())
	ok := logIn(s, "me@example.com", password)
	logIn(s, "me@example.com", "sesame-wrong")
	logIn(s, "sesame-unknown@example.com", "sesame-wrong")
	post(s, "/login", "", "Authorization: Basic sesame-garbled")
	post(s, "/register", `{"email":"new@example.com","password":"sesame-new"}`, "Content-Type: application/json")
	post(s, "/register", `{"email":"new@example.com","password":"sesame-broken`, "Content-Type: application/json")
	s.users.Close()
	logIn(s, "me@example.com", password)
	for _, secret := range []string{password, "sesame", "me@example.com", strings.TrimSpace(ok.Body.String()), "argon2id", basic("me@example.com", password)[6:]} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log contains %q:\n%s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), "logged in") {
		t.Errorf("nothing was logged: %s", log.String())
	}
}

func TestOnlyPost(t *testing.T) {
	s := start(t, testConfig())
	for path, want := range map[string]string{"/login": "method_not_allowed", "/register": "method_not_allowed", "/other": "not_found"} {
		w := httptest.NewRecorder()
		s.routes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := code(t, w); got != want {
			t.Errorf("GET %s: %s, want %s", path, got, want)
		}
	}
}

// FuzzLogin checks that any Authorization header gets one of three responses, and a
// token only if the credentials are right.
func FuzzLogin(f *testing.F) {
	s := start(f, unlimited())
	right := basic("me@example.com", password)
	for _, seed := range []string{right, "", "Basic", "Basic ", "basic Og==", basic("", ""), basic("a:b@c", ":"), "Bearer x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		w := post(s, "/login", "", "Authorization: "+header)
		name, pass, _ := (&http.Request{Header: http.Header{"Authorization": {header}}}).BasicAuth()
		email, _ := normalizeEmail(name)
		good := email == "me@example.com" && pass == password
		if good != (w.Code == 200) || !good && (w.Code != 401 || code(t, w) != "bad_credentials") {
			t.Errorf("%q: %d %s", header, w.Code, w.Body)
		}
	})
}

// FuzzRegister checks that any body is either rejected or creates an account that can
// log in.
func FuzzRegister(f *testing.F) {
	s := start(f, unlimited())
	f.Add(true, `{"email":"new@example.com","password":"12345678"}`)
	f.Add(false, "email=form%40example.com&password=12345678")
	f.Add(true, `{"email":"ä@ö.ü","password":"\ud800\ud800\ud800\ud800\ud800\ud800\ud800\ud800"}`)
	f.Add(true, `{"email":"İ@example.com","password":"12345678"}`)
	f.Add(false, "&;=%00")
	f.Fuzz(func(t *testing.T, asJSON bool, body string) {
		kind := "application/x-www-form-urlencoded"
		if asJSON {
			kind = "application/json"
		}
		w := post(s, "/register", body, "Content-Type: "+kind)
		switch w.Code {
		case 400, 409:
			code(t, w)
		case 201:
			r := httptest.NewRequest("POST", "/register", strings.NewReader(body))
			r.Header.Set("Content-Type", kind)
			a, err := readAccount(httptest.NewRecorder(), r)
			if err != nil {
				t.Fatal(err)
			}
			if w := logIn(s, a.Email, a.Password); w.Code != 200 {
				t.Errorf("%q was registered but cannot log in: %d %s", a.Email, w.Code, w.Body)
			}
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
