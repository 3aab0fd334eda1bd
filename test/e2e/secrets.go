package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// credential is a user of a store, and the key of the Secret with its password.
type credential struct{ store, user, secret, key string }

// rotations are the runbooks of docs/operations.md that change a password.
var rotations = []struct {
	heading string
	values  string // for the variables in its first line
	credential
}{
	{"A function's password", "store=rabbitmq function=gateway", credential{"rabbitmq", "gateway", "rabbitmq-gateway", "password"}},
	{"RabbitMQ's administrator and Erlang cookie", "", credential{"rabbitmq", "admin", "rabbitmq", "admin-password"}},
	// The last one of RabbitMQ, because it replaces the source's pod, which otherwise waits
	// longer after each restart of RabbitMQ.
	{"A source's password", "source=video", credential{"rabbitmq", "source-video", "rabbitmq-source-video", "password"}},
	{"A function's password", "store=mysql function=auth", credential{"mysql", "auth", "mysql-auth", "password"}},
	{"MySQL's administrator", "", credential{"mysql", "root", "mysql", "root-password"}},
	{"A function's password", "store=mongodb function=converter", credential{"mongodb", "converter", "mongodb-converter", "password"}},
	{"MongoDB's administrator", "", credential{"mongodb", "root", "mongodb", "password"}},
}

// runRotations changes passwords with the commands of docs/operations.md. Afterwards the
// old ones are refused, and a job uploaded before all of it and one uploaded after it are
// done.
func runRotations(ctx context.Context, s *suite) error {
	first, err := s.uploadShort(ctx)
	if err != nil {
		return err
	}
	for _, r := range rotations {
		start := time.Now()
		if err := s.rotate(ctx, r.heading, r.values, r.credential); err != nil {
			return fmt.Errorf("%s %s: %w", r.heading, r.values, err)
		}
		fmt.Printf("   %s %s: %.0f s\n", r.heading, r.values, time.Since(start).Seconds())
	}
	if err := s.changeKeyFile(ctx); err != nil {
		return err
	}
	if err := s.recoverSecrets(ctx); err != nil {
		return err
	}
	if err := s.loginAgain(ctx); err != nil {
		return err
	}
	second, err := s.uploadShort(ctx)
	if err != nil {
		return fmt.Errorf("upload afterwards: %w", err)
	}
	return s.user.waitDone(ctx, []string{first.ID, second.ID})
}

// rotate runs one runbook.
func (s *suite) rotate(ctx context.Context, heading, values string, c credential) error {
	before, err := s.cluster.secretData(ctx, c.secret)
	if err != nil {
		return err
	}
	block, err := guideBlock(operationsPage, heading)
	if err != nil {
		return err
	}
	if values != "" {
		_, rest, _ := strings.Cut(block, "\n")
		block = values + "\n" + rest
	}
	if _, err := runShell(ctx, block); err != nil {
		return err
	}
	after, err := s.cluster.secretData(ctx, c.secret)
	if err != nil {
		return err
	}
	if bytes.Equal(before[c.key], after[c.key]) {
		return errors.New("the Secret has the old password")
	}
	if err := s.cluster.authenticate(ctx, c, string(after[c.key])); err != nil {
		return fmt.Errorf("the new password: %w", err)
	}
	if s.cluster.authenticate(ctx, c, string(before[c.key])) == nil {
		return errors.New("the old password is still accepted")
	}
	if cookie, changed := after["erlang-cookie"]; changed {
		return s.checkFile(ctx, "rabbitmq-0", "/var/lib/rabbitmq/.erlang.cookie", cookie, before["erlang-cookie"])
	}
	return nil
}

// authenticate logs in to a store, from inside its pod.
func (c *cluster) authenticate(ctx context.Context, user credential, password string) error {
	command := map[string][]string{
		"rabbitmq": {"rabbitmqctl", "authenticate_user", user.user, password},
		"mysql":    {"env", "MYSQL_PWD=" + password, "mysql", "--user=" + user.user, "--execute=SELECT 1"},
		"mongodb":  {"mongosh", "--quiet", "-u", user.user, "-p", password, "admin", "--eval", "db.runCommand({ping: 1})"},
	}[user.store]
	_, err := c.kubectl(ctx, append([]string{"exec", user.store + "-0", "-c", user.store, "--"}, command...)...)
	return err
}

// changeKeyFile runs the runbook of MongoDB's key file. FerretDB ignores the file, so
// there this only shows that it reaches the pod.
func (s *suite) changeKeyFile(ctx context.Context) error {
	before, err := s.cluster.secretData(ctx, "mongodb")
	if err != nil {
		return err
	}
	block, err := guideBlock(operationsPage, "MongoDB's key file")
	if err != nil {
		return err
	}
	if _, err := runShell(ctx, block); err != nil {
		return err
	}
	after, err := s.cluster.secretData(ctx, "mongodb")
	if err != nil {
		return err
	}
	return s.checkFile(ctx, "mongodb-0", "/keyfile/keyfile", after["keyfile"], before["keyfile"])
}

// checkFile checks that a file in a pod has a new content.
func (s *suite) checkFile(ctx context.Context, pod, path string, want, old []byte) error {
	content, err := s.cluster.kubectl(ctx, "exec", pod, "--", "cat", path)
	switch {
	case err != nil:
		return err
	case content != string(want) || bytes.Equal(want, old):
		return fmt.Errorf("%s in %s does not have the new content of the Secret", path, pod)
	}
	return nil
}

// recoverSecrets deletes the Secrets of both databases. `make secrets` refuses to replace
// them, and the runbook restores what was in them.
func (s *suite) recoverSecrets(ctx context.Context) error {
	names := []string{"mysql", "mongodb"}
	before := map[string]map[string][]byte{}
	for _, name := range names {
		data, err := s.cluster.secretData(ctx, name)
		if err != nil {
			return err
		}
		before[name] = data
		if _, err := s.cluster.kubectl(ctx, "delete", "secret", name); err != nil {
			return err
		}
	}
	if out, err := runShell(ctx, "make secrets"); err == nil || !strings.Contains(out, "data-mongodb-0 exists") {
		return fmt.Errorf("make secrets does not refuse to replace the Secret of a volume: %v: %s", err, lastLines(out, 5))
	}
	block, err := guideBlock(operationsPage, "A database's Secret is lost")
	if err != nil {
		return err
	}
	if _, err := runShell(ctx, block); err != nil {
		return err
	}
	for _, name := range names {
		data, err := s.cluster.secretData(ctx, name)
		if err != nil {
			return err
		}
		for key, value := range before[name] {
			if !bytes.Equal(data[key], value) {
				return fmt.Errorf("the Secret %s has another %s than before it was lost", name, key)
			}
		}
	}
	_, err = runShell(ctx, "make secrets")
	return err
}

// loginAgain logs in as the same user. An attempt that fails is repeated.
func (s *suite) loginAgain(ctx context.Context) error {
	return poll(ctx, time.Second, func() (bool, error) {
		err := s.user.Login(ctx, s.user.email, s.user.password)
		return err == nil, err
	})
}
