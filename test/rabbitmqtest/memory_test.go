package rabbitmqtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestMemory fills the queue video with messages as large as wake-ups and reports the
// memory of the node. RabbitMQ must never stop the publisher, which it does when the
// memory reaches the watermark. With the default write-ahead log that happens after
// 450,000 messages.
func TestMemory(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("RABBITMQ_MESSAGES"))
	if err != nil {
		t.Skip("RABBITMQ_MESSAGES is not set")
	}
	r := newReplicas(t)
	r.start(t, 0)
	r.waitMembers(t, 0)

	conn, err := amqp.Dial(r.nodes[0].url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(strings.Repeat("x", 400))}
	start := time.Now()
	for i := range n {
		c, err := ch.PublishWithDeferredConfirm("", "video", true, false, message)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-blocked:
			t.Fatalf("blocked after %d messages, at %d MiB", i, r.nodes[0].peakMemory(t)>>20)
		default:
		}
		if i%1000 == 0 || i == n-1 {
			c.Wait() // RabbitMQ confirms in order
		}
	}
	t.Logf("%d messages in %.0f s, %d MiB", n, time.Since(start).Seconds(), r.nodes[0].peakMemory(t)>>20)
}

var peakResident = regexp.MustCompile(`(?m)^VmHWM:\s*(\d+) kB$`)

// peakMemory returns the most memory that the node has had, in bytes.
func (n *replica) peakMemory(t *testing.T) int {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(n.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "status"))
	if err != nil {
		t.Fatal(err)
	}
	m := peakResident.FindSubmatch(status)
	if m == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	kilobytes, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
