package convert

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"mp3converter/shared/client"
)

// firstContact is how long to wait for a server that does not answer at first. A service
// on a cluster takes seconds to start.
const firstContact = 20 * time.Second

// connect returns a client of the server that is logged in.
func connect(ctx context.Context, cfg config, show *display) (*client.Client, error) {
	base, err := url.Parse(cfg.server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil || base.RawQuery != "" {
		return nil, errors.New("--server must be a URL such as https://mp3.example.com")
	}
	c := &client.Client{
		BaseURL: strings.TrimRight(cfg.server, "/"), Token: cfg.token, StallTimeout: stallTimeout, RetryFor: min(firstContact, cfg.retry),
		OnRetry: func(err error, pause time.Duration) {
			show.message("%s; trying again in %s", sentence(err), pause.Round(100*time.Millisecond))
		},
	}
	c.Email, c.Password, err = credentials(ctx, cfg)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		return nil, err
	case c.Email != "":
		err = c.Login(ctx, c.Email, c.Password)
	default:
		_, err = c.Jobs(ctx) // checks the token
	}
	switch {
	case ctx.Err() != nil:
		return nil, exitError{exitInterrupted, errInterrupted}
	case err != nil:
		return nil, exitError{exitServer, fmt.Errorf("%s: %s", c.BaseURL, printable(sentence(err)))}
	}
	c.RetryFor = cfg.retry
	return c, nil
}

// refused reports whether the server has rejected the account.
func refused(err error) bool {
	return client.StatusCode(err) == http.StatusUnauthorized
}

// credentials returns the account and its password, or nothing if there is a token.
func credentials(ctx context.Context, cfg config) (email, password string, err error) {
	if cfg.user == "" {
		if cfg.token == "" {
			return "", "", errors.New("the server needs an account: --user EMAIL, or MP3_USER or MP3_TOKEN in the environment")
		}
		return "", "", nil
	}
	email, password, ok := strings.Cut(cfg.user, ":")
	if ok {
		return email, password, nil
	}
	if cfg.password != "" {
		return email, cfg.password, nil
	}
	stdin := int(os.Stdin.Fd())
	if !term.IsTerminal(stdin) {
		return "", "", fmt.Errorf("no password for %s: set MP3_PASSWORD, or run this in a terminal", email)
	}
	fmt.Fprintf(os.Stderr, "Password of %s: ", email)
	password, err = readPassword(ctx, stdin)
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return "", "", fmt.Errorf("read the password: %w", err)
	}
	return email, password, nil
}

// readPassword reads a line from a terminal without showing it. The read itself cannot be
// interrupted: if ctx ends, it is left behind, and the terminal shows what is typed again.
func readPassword(ctx context.Context, terminal int) (string, error) {
	state, err := term.GetState(terminal)
	if err != nil {
		return "", err
	}
	var text []byte
	read := make(chan error, 1)
	go func() {
		line, err := term.ReadPassword(terminal)
		text = line
		read <- err
	}()
	select {
	case <-ctx.Done():
		return "", errors.Join(context.Cause(ctx), term.Restore(terminal, state))
	case err := <-read:
		return string(text), err
	}
}
