// Package login is the auth function: it stores users, checks their passwords and
// issues the tokens that the other functions accept. It verifies no tokens and knows
// nothing of jobs.
//
// POST /login returns the same response, after the same work, for an unknown user and
// for a wrong password. POST /register reveals that an address is taken: hiding it
// would require confirmation by e-mail, and an installation may have no mail server.
// Registrations are throttled by client address; REGISTRATION=code demands a code for
// them, and REGISTRATION=closed disables them.
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

	"mp3converter/shared/forwarded"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

type server struct {
	cfg      Config
	users    *Users
	keys     token.Keys
	hasher   *hasher
	throttle *throttle
	now      func() time.Time
}

// New returns the handler of the function, or an error that names the invalid
// variable.
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
	return &server{
		cfg:      cfg,
		users:    users,
		keys:     keys,
		hasher:   newHasher(currentParams, cfg.HashWait),
		throttle: newThrottle(cfg, users, keys),
		now:      time.Now,
	}, nil
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	// Called by users, through the gateway.
	mux.Handle("POST /login", problem.Handler(s.handleLogin))
	mux.Handle("POST /register", problem.Handler(s.handleRegister))
	return problem.Mux(mux)
}

// handleLogin issues a token for the credentials of Basic authentication.
func (s *server) handleLogin(w http.ResponseWriter, r *http.Request) error {
	name, password, ok := r.BasicAuth()
	if !ok {
		w.Header().Set("WWW-Authenticate", challengeFor(r))
		return problem.BadCredentials.WithDetail("Send the e-mail address and the password by HTTP Basic authentication, as curl -u EMAIL:PASSWORD does.")
	}
	user, err := s.authenticate(r.Context(), s.client(r), name, password)
	if errors.Is(err, problem.BadCredentials) {
		w.Header().Set("WWW-Authenticate", silentChallenge)
	}
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
		fmt.Fprint(w, raw) // no line break, so that programs can use the body as it is
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

// client returns the key of the client for the throttle.
func (s *server) client(r *http.Request) string {
	address, ok := forwarded.Get(r.Header, s.keys)
	if !ok { // not from the gateway, or within one process
		address = s.cfg.Proxies.Client(r)
	}
	return clientKey(address)
}

// authenticate returns the user with these credentials. It does the same work for an
// unknown user and for a wrong password.
func (s *server) authenticate(ctx context.Context, client, name, password string) (User, error) {
	email, err := normalizeEmail(name)
	valid := err == nil // invalid names share the account ""
	wait, err := s.throttle.admitLogin(ctx, client, email, s.now())
	switch {
	case err != nil:
		return User{}, problem.Unavailable.WithCause(err)
	case wait > 0:
		return User{}, problem.TooManyRequests.WithRetryAfter(wait)
	}
	var user User
	known := false
	if valid {
		user, err = s.users.ByEmail(ctx, email)
		known = err == nil
		if err != nil && !errors.Is(err, ErrUserNotFound) {
			return User{}, problem.Unavailable.WithCause(err)
		}
	}
	hash := user.Hash
	if !known {
		hash = s.hasher.dummy
	}
	ok, upgraded, err := s.hasher.check(ctx, hash, password)
	if err != nil {
		return User{}, err
	}
	if !known || !ok {
		return User{}, problem.BadCredentials
	}
	if upgraded != "" {
		// After an error the next login tries again.
		if err := s.users.replaceHash(ctx, user, upgraded); err != nil {
			slog.WarnContext(ctx, "password hash not upgraded", "user", user.ID, "error", err)
		}
	}
	if err := s.throttle.loggedIn(ctx, client, email); err != nil {
		slog.WarnContext(ctx, "login not recorded", "user", user.ID, "error", err)
	}
	return user, nil
}
