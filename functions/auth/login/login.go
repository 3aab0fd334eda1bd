// Package login is the auth function: it keeps users, checks their passwords
// and issues the tokens that every other function accepts. It verifies no
// tokens and knows nothing of jobs.
//
// What a stranger can learn from it: POST /login gives the same answer, after
// the same work, for an unknown user and for a wrong password. POST /register
// does say that an address is taken. Hiding that would take a confirmation by
// e-mail, which an installation may have no server for, and would leave a
// person who has forgotten about an account without a clue; instead an address
// can ask only a few times, and REGISTRATION=closed ends it altogether.
package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

type server struct {
	cfg      Config
	users    *Users
	keys     token.Keys
	hasher   *hasher
	proxies  proxies
	accounts *throttle
	clients  *throttle
	now      func() time.Time
}

// New returns the handler of the function's routes.
func New(cfg Config, users *Users, keys token.Keys) (http.Handler, error) {
	s, err := newServer(cfg, users, keys)
	if err != nil {
		return nil, err
	}
	return s.routes(), nil
}

func newServer(cfg Config, users *Users, keys token.Keys) (*server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	trusted, err := parseProxies(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	return &server{
		cfg:      cfg,
		users:    users,
		keys:     keys,
		hasher:   newHasher(current, cfg.HashWait),
		proxies:  trusted,
		accounts: newThrottle(cfg.AccountRate, cfg.AccountBurst),
		clients:  newThrottle(cfg.ClientRate, cfg.ClientBurst),
		now:      time.Now,
	}, nil
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	// A user with curl, and the gateway's page.
	mux.Handle("POST /login", problem.Handler(s.login))
	mux.Handle("POST /register", problem.Handler(s.register))
	return problem.Mux(mux)
}

// login trades the credentials of Basic authentication for a token.
func (s *server) login(w http.ResponseWriter, r *http.Request) error {
	if wait := s.clients.take(s.proxies.client(r), s.now()); wait > 0 {
		return problem.TooManyRequests.WithRetryAfter(wait)
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		// Only here: on a wrong password the challenge would make browsers
		// open a window of their own over the gateway's page.
		w.Header().Set("WWW-Authenticate", `Basic realm="mp3converter", charset="UTF-8"`)
		return problem.BadCredentials.WithDetail("Send both by HTTP Basic authentication, as curl -u EMAIL:PASSWORD does.")
	}
	user, err := s.authenticate(r.Context(), name, password)
	if err != nil {
		return err
	}
	raw, claims, err := s.keys.Issue(user.ID, user.Email, s.cfg.TokenTTL, s.now())
	if err != nil {
		return problem.Internal.WithCause(err)
	}
	slog.InfoContext(r.Context(), "logged in", "user", user.ID)
	w.Header().Set("Cache-Control", "no-store")
	if !strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, raw)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(struct {
		Token     string    `json:"token"`
		TokenType string    `json:"tokenType"`
		ExpiresAt time.Time `json:"expiresAt"`
		Email     string    `json:"email"`
	}{raw, "Bearer", claims.ExpiresAt, user.Email})
	return nil
}

// authenticate returns the user whose credentials these are. Whether it is the
// user or the password that is wrong, it does the same work.
func (s *server) authenticate(ctx context.Context, name, password string) (User, error) {
	email, err := normalise(name)
	known := err == nil
	account := email
	if !known {
		account = "" // such names share one allowance
	}
	if wait := s.accounts.take(account, s.now()); wait > 0 {
		return User{}, problem.TooManyRequests.WithRetryAfter(wait)
	}
	var user User
	if known {
		user, err = s.users.ByEmail(ctx, email)
		known = err == nil
		if err != nil && !errors.Is(err, ErrNoUser) {
			return User{}, problem.Unavailable.WithCause(err)
		}
	}
	hash := user.Hash
	if !known {
		hash = s.hasher.dummy
	}
	right, fresh, err := s.hasher.check(ctx, hash, password)
	if err != nil {
		return User{}, err
	}
	if !known || !right {
		return User{}, problem.BadCredentials
	}
	if fresh != "" {
		// Made with other parameters than today's. It can wait for the next
		// login if it fails.
		if err := s.users.rehash(ctx, user, fresh); err != nil {
			slog.WarnContext(ctx, "cannot renew the hash of a password", "user", user.ID, "error", err)
		}
	}
	return user, nil
}
