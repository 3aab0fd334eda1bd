package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"mp3converter/shared/client"
)

const (
	consoleHost     = "rabbitmq-manager.com"
	consoleManifest = "rabbitmq/console/domainmapping.yaml"
)

// console is RabbitMQ's management console, seen through the ingress.
type console struct{ client.Client }

// runConsole applies the manifest of the console and opens it by its host name, with the
// generated administrator. Before and afterwards the name is not served.
func runConsole(ctx context.Context, s *suite) error {
	c := console{client.Client{BaseURL: "http://" + consoleHost, HTTP: s.user.HTTP}}
	user, err := s.cluster.secret(ctx, "rabbitmq", "admin-username")
	if err != nil {
		return err
	}
	password, err := s.cluster.secret(ctx, "rabbitmq", "admin-password")
	if err != nil {
		return err
	}
	if err := c.waitStatus(ctx, "/", http.StatusNotFound); err != nil {
		return fmt.Errorf("before the manifest is applied: %w", err)
	}
	if _, err := s.cluster.kubectl(ctx, "apply", "-f", consoleManifest); err != nil {
		return err
	}
	if err := errors.Join(c.check(ctx, user, password), s.deleteConsole(ctx)); err != nil {
		return err
	}
	return c.waitStatus(ctx, "/", http.StatusNotFound)
}

// deleteConsole deletes the manifest's objects, even if ctx is done.
func (s *suite) deleteConsole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, err := s.cluster.kubectl(ctx, "delete", "-f", consoleManifest, "--ignore-not-found")
	return err
}

// check opens the page and lists the queues.
func (c *console) check(ctx context.Context, user, password string) error {
	if err := c.waitStatus(ctx, "/", http.StatusOK); err != nil {
		return err
	}
	if _, page, err := c.read(ctx, "/", nil); err != nil || !strings.Contains(page, "RabbitMQ Management") {
		return fmt.Errorf("the page is %.100q: %w", page, err)
	}
	status, _, err := c.read(ctx, "/api/queues", client.Credentials(user, "wrong"))
	if err != nil || status != http.StatusUnauthorized {
		return fmt.Errorf("queues with a wrong password: status %d, want 401: %w", status, err)
	}
	// RabbitMQ gathers the counts every few seconds.
	return poll(ctx, time.Second, func() (bool, error) {
		_, text, err := c.read(ctx, "/api/queues", client.Credentials(user, password))
		if err != nil {
			return false, err
		}
		counts, err := messageCounts(text)
		if err == nil {
			fmt.Println("   messages:", counts)
		}
		return err == nil, err
	})
}

// messageCounts returns the number of messages of each of the service's queues, from the
// API's list.
func messageCounts(list string) (map[string]int, error) {
	var queues []struct {
		Name     string
		Messages *int
	}
	if err := json.Unmarshal([]byte(list), &queues); err != nil {
		return nil, fmt.Errorf("queues: %w: %.200s", err, list)
	}
	counts := map[string]int{}
	for _, q := range queues {
		if slices.Contains([]string{"video", "mp3", "video.dead", "mp3.dead"}, q.Name) && q.Messages != nil {
			counts[q.Name] = *q.Messages
		}
	}
	if len(counts) != 4 {
		return nil, fmt.Errorf("message counts of %d queues instead of 4: %.200s", len(counts), list)
	}
	return counts, nil
}

// waitStatus polls a page until it has a status.
func (c *console) waitStatus(ctx context.Context, path string, want int) error {
	return poll(ctx, 500*time.Millisecond, func() (bool, error) {
		status, _, err := c.read(ctx, path, nil)
		return status == want, fmt.Errorf("%s%s: status %d, want %d: %w", consoleHost, path, status, want, err)
	})
}

// read returns the status and the body of a page.
func (c *console) read(ctx context.Context, path string, header http.Header) (int, string, error) {
	resp, err := c.Do(ctx, http.MethodGet, path, header, nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(body), err
}
