package gridfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/media/mediatest"
	"mp3converter/test/mongotest"
)

// The client disconnects while the files document is on its way to the server. Whether
// the server then stores it before or after Put has cleaned up, nothing is left of the
// object.
func TestCommitWithUnknownOutcome(t *testing.T) {
	for name, late := range map[string]bool{"stored before Put cleans up": false, "stored after Put has cleaned up": true} {
		t.Run(name, func(t *testing.T) {
			uri, database := mongotest.URI(t), mongotest.Database(t)
			s := open(t, uri, database)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			held := &heldInsert{late: late, cancel: cancel, release: make(chan struct{}), answered: make(chan struct{})}
			o := media.Object{ID: id.New()}
			_, err := openHolding(t, uri, database, held).Put(ctx, o, bytes.NewReader(mediatest.Bytes(3*chunkSize)))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Put: %v, want %v", err, context.Canceled)
			}
			close(held.release)
			select {
			case <-held.answered:
			case <-time.After(time.Minute):
				t.Fatal("the server did not answer the insert")
			}

			if _, _, err := s.Open(t.Context(), o.ID); !errors.Is(err, media.ErrNotFound) {
				t.Errorf("Open: %v, want %v", err, media.ErrNotFound)
			}
			future := time.Now().Add(time.Hour)
			if all, err := s.List(t.Context(), future, "", 10); len(all) > 0 || err != nil {
				t.Errorf("List: %v, %v; want no object", all, err)
			}
			if _, err := s.Sweep(t.Context(), future, nil); err != nil {
				t.Error(err)
			}
			for _, c := range []*mongo.Collection{s.files, s.chunks} {
				if n, err := c.CountDocuments(t.Context(), bson.D{}); n > 0 || err != nil {
					t.Errorf("%d documents are left in %s, %v", n, c.Name(), err)
				}
			}
		})
	}
}

// heldInsert stops the command that inserts into fs.files, or its reply, and cancels the
// Put that sent it.
type heldInsert struct {
	late     bool // the server gets the command after release is closed
	cancel   context.CancelFunc
	once     sync.Once
	release  chan struct{}
	answered chan struct{} // closed when the server has answered
}

func openHolding(t *testing.T, uri, database string, held *heldInsert) *Store {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetDialer(holdingDialer{held}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Disconnect(context.Background()) })
	s, err := Open(t.Context(), client.Database(database))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type holdingDialer struct{ held *heldInsert }

func (d holdingDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	return &holdingConn{Conn: c, held: d.held}, err
}

type holdingConn struct {
	net.Conn
	held *heldInsert
	mine bool // this connection sent the insert
}

func (c *holdingConn) Write(p []byte) (int, error) {
	if !bytes.Contains(p, []byte("insert\x00\x09\x00\x00\x00fs.files\x00")) {
		return c.Conn.Write(p)
	}
	c.held.once.Do(func() {
		c.mine = true
		if !c.held.late {
			c.deliver(p)
		}
		command := bytes.Clone(p)
		go func() {
			defer c.Conn.Close()
			if c.held.late {
				<-c.held.release
				c.deliver(command)
			}
			close(c.held.answered)
		}()
		c.held.cancel()
	})
	if !c.mine {
		return c.Conn.Write(p)
	}
	return len(p), nil
}

// deliver sends the command and waits for the start of the reply.
func (c *holdingConn) deliver(command []byte) {
	c.Conn.SetDeadline(time.Now().Add(time.Minute))
	c.Conn.Write(command)
	c.Conn.Read(make([]byte, 1))
}

func (c *holdingConn) Read(p []byte) (int, error) {
	if c.mine {
		return 0, context.Canceled
	}
	return c.Conn.Read(p)
}

// Close lets a held command reach the server.
func (c *holdingConn) Close() error {
	if c.mine {
		return nil
	}
	return c.Conn.Close()
}

func (c *holdingConn) SetDeadline(t time.Time) error {
	if c.mine {
		return nil
	}
	return c.Conn.SetDeadline(t)
}

// A Put that goes on while Sweep takes it for dead keeps its whole object or fails.
func TestPutDuringSweep(t *testing.T) {
	for _, c := range []struct {
		name string
		// The Put goes on when Sweep is about to send this command.
		command, collection string
		kept                bool
	}{
		{"commits before Sweep has claimed the identifier", "", "fs.files", true},
		{"commits after Sweep has claimed the identifier", "delete", "fs.chunks", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			uri, database := mongotest.URI(t), mongotest.Database(t)
			s := open(t, uri, database)
			o, data := media.Object{ID: id.New()}, mediatest.Bytes(putBatch*chunkSize)
			resume, result := make(chan struct{}), make(chan error, 1)
			go func() {
				pause := readerFunc(func([]byte) (int, error) { <-resume; return 0, io.EOF })
				var err error
				o, err = s.Put(t.Context(), o, io.MultiReader(bytes.NewReader(data), pause))
				result <- err
			}()
			waitForChunks(t, s, putBatch)

			var once sync.Once
			var putErr error
			sweeper := openMonitored(t, uri, database, func(e *event.CommandStartedEvent) {
				write := e.CommandName == "insert" || e.CommandName == "delete"
				collection, _ := e.Command.Lookup(e.CommandName).StringValueOK()
				if write && collection == c.collection && (c.command == "" || c.command == e.CommandName) {
					once.Do(func() { close(resume); putErr = <-result })
				}
			})
			if _, err := sweeper.Sweep(t.Context(), time.Now().Add(time.Hour), nil); err != nil {
				t.Error(err)
			}
			once.Do(func() { close(resume); t.Error("Sweep did not send the command") })
			if c.kept != (putErr == nil) {
				t.Fatalf("Put: %v", putErr)
			}
			if !c.kept {
				return
			}
			_, r, err := s.Open(t.Context(), o.ID)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, %v; want %d", len(got), err, len(data))
			}
		})
	}
}

func waitForChunks(t *testing.T, s *Store, n int64) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		got, err := s.chunks.CountDocuments(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		if got == n {
			return
		}
	}
	t.Fatalf("Put did not store %d chunks within a minute", n)
}

// openMonitored returns a store that calls started before it sends a command.
func openMonitored(t *testing.T, uri, database string, started func(*event.CommandStartedEvent)) *Store {
	t.Helper()
	monitor := &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) { started(e) }}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetMonitor(monitor))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Disconnect(context.Background()) })
	s, err := Open(t.Context(), client.Database(database))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
