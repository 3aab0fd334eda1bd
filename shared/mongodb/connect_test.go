package mongodb_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mp3converter/shared/mongodb"
	"mp3converter/test/mongotest"
)

// Writes wait for the majority, whatever the URI says.
func TestWriteConcern(t *testing.T) {
	uri, err := url.Parse(mongotest.URI(t))
	if err != nil {
		t.Fatal(err)
	}
	var sent recorder
	uri.Host = tap(t, uri.Host, &sent)
	options := uri.Query()
	options.Set("w", "1")
	uri.RawQuery = options.Encode()
	client, err := mongodb.Connect(uri.String())
	if err != nil {
		t.Fatal(err)
	}
	defer mongodb.Close(client)
	c := client.Database(mongotest.Database(t)).Collection("c")
	if _, err := c.InsertOne(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	if !sent.contains("w\x00\x09\x00\x00\x00majority\x00") {
		t.Error("a write was sent without the write concern majority")
	}
}

// tap forwards connections to a server, records what clients send, and returns its
// address.
func tap(t *testing.T, server string, sent io.Writer) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				defer upstream.Close()
				io.Copy(upstream, io.TeeReader(client, sent))
			}()
			go func() {
				defer client.Close()
				io.Copy(client, upstream)
			}()
		}
	}()
	return l.Addr().String()
}

// recorder is a buffer that is safe for concurrent use.
type recorder struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.data.Write(p)
}

func (r *recorder) contains(s string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.data.Bytes(), []byte(s))
}
