package login

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"mp3converter/shared/id"
	"mp3converter/shared/problem"
)

// maxBody bounds the body of a registration.
const maxBody = 8 << 10

// handleRegister creates an account.
func (s *server) handleRegister(w http.ResponseWriter, r *http.Request) error {
	if s.cfg.Registration == "closed" {
		return problem.RegistrationClosed
	}
	wait, err := s.throttle.admitRegistration(r.Context(), s.client(r), s.now())
	switch {
	case err != nil:
		return problem.Unavailable.WithCause(err)
	case wait > 0:
		return problem.TooManyRequests.WithRetryAfter(wait)
	}
	account, err := readAccount(w, r)
	if err != nil {
		return err
	}
	// Checked first, so that without the code nobody learns which addresses are taken.
	if s.cfg.Registration == "code" && !s.isRegistrationCode(account.Code) {
		return problem.BadRegistrationCode
	}
	email, err := normalizeEmail(account.Email)
	if err != nil {
		return problem.BadEmail
	}
	if err := checkPassword(account.Password); err != nil {
		return problem.BadPassword.WithDetail("The password %s.", err)
	}
	hash, err := s.hasher.hash(r.Context(), account.Password)
	if err != nil {
		return err
	}
	u := User{ID: id.New(), Email: email, Hash: hash}
	switch err := s.users.Create(r.Context(), u); {
	case errors.Is(err, ErrEmailTaken):
		return problem.EmailTaken
	case err != nil:
		return problem.Unavailable.WithCause(err)
	}
	slog.InfoContext(r.Context(), "registered", "user", u.ID)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(map[string]string{"email": email})
	return nil
}

// isRegistrationCode compares in constant time. Hashes hide the length too.
func (s *server) isRegistrationCode(code string) bool {
	got := sha256.Sum256([]byte(strings.TrimSpace(code)))
	want := sha256.Sum256([]byte(s.cfg.RegistrationCode))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// account is the body of a registration.
type account struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Code     string `json:"code"`
}

// readAccount reads a JSON object or a form. Errors do not contain the input.
func readAccount(w http.ResponseWriter, r *http.Request) (account, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return account{}, problem.BadRequest.WithDetail("The body is larger than %d bytes or incomplete.", maxBody)
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		var a account
		if json.Unmarshal(body, &a) != nil {
			return account{}, problem.BadRequest.WithDetail("The body must be a JSON object with the strings email and password.")
		}
		return a, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return account{}, problem.BadRequest.WithDetail("The form is malformed.")
		}
		return account{form.Get("email"), form.Get("password"), form.Get("code")}, nil
	}
	return account{}, problem.BadRequest.WithDetail("Send email and password as application/json or application/x-www-form-urlencoded.")
}
