package mongotest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Command is a command that a client has sent.
type Command struct {
	Name       string // such as insert; upsert for an update that may insert
	Database   string
	Collection string // "" for a command on no collection
}

func (c Command) String() string { return fmt.Sprintf("%s on %s.%s", c.Name, c.Database, c.Collection) }

// Recorder is a proxy in front of a server that records the commands of its clients.
// It is safe for concurrent use.
type Recorder struct {
	// URI is the address for the clients.
	URI string

	server string
	mu     sync.Mutex
	seen   map[Command]bool
	conns  int // that have carried another command than hello
	before func(Command)
	err    error
}

// Record runs a recorder in front of the server at uri until the test ends.
func Record(t testing.TB, uri string) *Recorder {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatalf("mongotest: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("mongotest: %v", err)
	}
	r := &Recorder{URI: "mongodb://" + l.Addr().String() + "/?directConnection=true", server: u.Host, seen: map[Command]bool{}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go r.forward(client)
		}
	}()
	return r
}

// Commands returns the different commands that have been sent. The test fails if
// one could not be read.
func (r *Recorder) Commands(t testing.TB) map[Command]bool {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		t.Fatalf("mongotest: %v", r.err)
	}
	commands := map[Command]bool{}
	for c := range r.seen {
		commands[c] = true
	}
	return commands
}

// Connections returns how many connections have carried another command than hello, as
// those on which a driver monitors the server do not.
func (r *Recorder) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns
}

// Before sets a function that is called before each command is forwarded, or nil.
func (r *Recorder) Before(f func(Command)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = f
}

// forward copies one connection until either side closes it.
func (r *Recorder) forward(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		return // the client sees a closed connection, as without the recorder
	}
	defer server.Close()
	go func() {
		defer client.Close()
		io.Copy(client, server)
	}()
	for used := false; ; {
		message, err := readMessage(client)
		if err != nil {
			return
		}
		used = r.record(message, used)
		if _, err := server.Write(message); err != nil {
			return
		}
	}
}

// record records a message of a connection, and reports whether the connection has
// carried another command than hello.
func (r *Recorder) record(message []byte, used bool) bool {
	c, err := parse(message)
	r.mu.Lock()
	before := r.before
	if err != nil {
		r.err = errors.Join(r.err, err)
	} else {
		r.seen[c] = true
	}
	if !used && c.Name != "hello" {
		used = true
		r.conns++
	}
	r.mu.Unlock()
	if before != nil {
		before(c)
	}
	return used
}

// readMessage reads one message of the wire protocol. It starts with its length.
func readMessage(conn net.Conn) ([]byte, error) {
	const minSize, maxSize = 16, 48_000_000
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < minSize || n > maxSize {
		return nil, fmt.Errorf("message of %d bytes", n)
	}
	message := make([]byte, n)
	copy(message, head[:])
	_, err := io.ReadFull(conn, message[len(head):])
	return message, err
}

// parse returns the command in a message: OP_MSG, whose first section is the
// command's document, or the OP_QUERY of a first handshake.
func parse(message []byte) (Command, error) {
	const opcode, opQuery, opMsg, section, document = 12, 2004, 2013, 20, 21
	switch code := binary.LittleEndian.Uint32(message[opcode:]); {
	case code == opQuery:
		return Command{Name: "hello", Database: "admin"}, nil
	case code != opMsg || len(message) <= document || message[section] != 0:
		return Command{}, fmt.Errorf("a message with opcode %d is not a command", code)
	}
	doc, err := bson.ReadDocument(bytes.NewReader(message[document:]))
	if err != nil {
		return Command{}, err
	}
	elements, err := doc.Elements()
	if err != nil || len(elements) == 0 {
		return Command{}, fmt.Errorf("a command is not a document: %w", err)
	}
	c := Command{Name: elements[0].Key()}
	c.Database, _ = doc.Lookup("$db").StringValueOK()
	c.Collection, _ = elements[0].Value().StringValueOK()
	switch {
	case c.Name == "getMore":
		c.Collection, _ = doc.Lookup("collection").StringValueOK()
	case c.Name == "update" && bytes.Contains(message, []byte("\x08upsert\x00\x01")):
		c.Name = "upsert"
	}
	return c, nil
}
