package login

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"

	"mp3converter/shared/id"
	"mp3converter/shared/problem"
)

// maxBody bounds the body of a registration.
const maxBody = 8 << 10

// handleRegister creates an account.
func (s *server) handleRegister(w http.ResponseWriter, r *http.Request) error {
	if s.cfg.Registration != "open" {
		return problem.RegistrationClosed
	}
	wait, err := s.throttle.admitRegistration(r.Context(), s.client(r), s.now())
	switch {
	case err != nil:
		return problem.Unavailable.WithCause(err)
	case wait > 0:
		return problem.TooManyRequests.WithRetryAfter(wait)
	}
	name, password, err := readCredentials(w, r)
	if err != nil {
		return err
	}
	email, err := normalizeEmail(name)
	if err != nil {
		return problem.BadEmail
	}
	if err := checkPassword(password); err != nil {
		return problem.BadPassword.WithDetail("The password %s.", err)
	}
	hash, err := s.hasher.hash(r.Context(), password)
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

// readCredentials reads an e-mail address and a password from a JSON object or a form.
// Errors do not contain the input.
func readCredentials(w http.ResponseWriter, r *http.Request) (email, password string, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return "", "", problem.BadRequest.WithDetail("The body is larger than %d bytes or incomplete.", maxBody)
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		var c struct {
			Email    string `json:"email"`
			Password string `json:"password"`
		}
		if json.Unmarshal(body, &c) != nil {
			return "", "", problem.BadRequest.WithDetail("The body must be a JSON object with the strings email and password.")
		}
		return c.Email, c.Password, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return "", "", problem.BadRequest.WithDetail("The form is malformed.")
		}
		return form.Get("email"), form.Get("password"), nil
	}
	return "", "", problem.BadRequest.WithDetail("Send email and password as application/json or application/x-www-form-urlencoded.")
}
