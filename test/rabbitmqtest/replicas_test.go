package rabbitmqtest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestReplicas takes one cluster through what can happen to its pods. After each event
// every queue must have a member on every node, and in the end no message may be
// missing.
func TestReplicas(t *testing.T) {
	r := newReplicas(t)
	step := func(name string, event func()) {
		start := time.Now()
		event()
		t.Logf("%s: %.0f s", name, time.Since(start).Seconds())
	}

	step("three empty volumes, the first node starts last", func() {
		r.start(t, 2, 1)
		r.waitLog(t, 2, "waits for another node")
		r.waitLog(t, 1, "waits for another node")
		r.start(t, 0)
		r.waitMembers(t, 0, 1, 2)
	})
	const messages = 100
	r.publish(t, messages)

	r.count = 3
	for i, n := range r.nodes {
		step(n.name+" loses its volume", func() {
			n.stop()
			n.loseVolume(t)
			r.start(t, i)
			r.waitMembers(t, 0, 1, 2)
			// The old member must have been removed from the queues.
			r.waitLog(t, i, "Removing node "+n.name)
		})
	}

	step("all nodes are killed and start at the same time", func() {
		for _, n := range r.nodes {
			n.kill()
		}
		r.start(t, 0, 1, 2)
		r.waitMembers(t, 0, 1, 2)
	})

	// A node waits for the one that stopped last, which has the newest tables.
	step("the node that stopped last starts last", func() {
		for _, n := range r.nodes {
			n.stop()
		}
		r.start(t, 0)
		time.Sleep(5 * time.Second) // the others must not start before this one waits
		r.start(t, 1)
		r.start(t, 2)
		r.waitMembers(t, 0, 1, 2)
	})

	step("back to one node", func() {
		if out, err := r.nodes[0].run(t, "sh", filepath.Join(r.nodes[0].dir, "alone.sh")); err != nil {
			t.Fatal(err)
		} else {
			t.Log(out)
		}
		r.nodes[1].stop()
		r.nodes[2].stop()
		r.count = 1
		r.waitMembers(t, 0)
	})

	step("the node that is left starts alone", func() {
		r.nodes[0].stop()
		r.start(t, 0)
		r.waitMembers(t, 0)
	})

	step("three nodes again, one of them with its old volume", func() {
		r.count = 3
		r.nodes[1].loseVolume(t)
		r.start(t, 1, 2)
		r.waitMembers(t, 0, 1, 2)
	})

	for i, n := range r.nodes {
		got, err := Count(n.url, "video")
		if err != nil || got != messages {
			t.Errorf("node %d: %d messages, %v; want %d", i, got, err, messages)
		}
	}
}

// TestFirstNodeWaits checks that a first node without data forms no second cluster while
// it is told that there are three replicas.
func TestFirstNodeWaits(t *testing.T) {
	r := newReplicas(t)
	r.count = 3
	r.start(t, 0)
	r.waitLog(t, 0, "waits for another node")
	if _, err := os.Stat(filepath.Join(r.nodes[0].dir, "data")); err == nil {
		t.Error("the node has started")
	}
}

func (n *replica) stop() {
	if n.process != nil {
		n.process.Terminate(time.Minute)
	}
}

// waitLog waits until a node has printed the text.
func (r *replicas) waitLog(t *testing.T, node int, text string) {
	t.Helper()
	r.eventually(t, func() error {
		b, err := os.ReadFile(filepath.Join(r.nodes[node].dir, "console.log"))
		if err == nil && !strings.Contains(string(b), text) {
			err = os.ErrNotExist
		}
		return err
	})
}

// publish sends n messages to the queue video and waits until they are confirmed.
func (r *replicas) publish(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ch := Channel(t, r.nodes[0].url)
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	for range n {
		c, err := ch.PublishWithDeferredConfirm("", "video", true, false, amqp.Publishing{DeliveryMode: amqp.Persistent})
		if err != nil {
			t.Fatal(err)
		}
		if acked, err := c.WaitContext(ctx); !acked {
			t.Fatal("not confirmed:", err)
		}
	}
}
