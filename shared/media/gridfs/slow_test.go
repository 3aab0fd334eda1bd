package gridfs

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/time/rate"

	"mp3converter/shared/id"
	"mp3converter/shared/media"
	"mp3converter/shared/media/mediatest"
	"mp3converter/test/mongotest"
)

// In a burst the server takes longer for all uploads together than one operation may
// take. They wait for each other, and none fails.
func TestUploadsToSlowServer(t *testing.T) {
	const (
		uploads   = 60
		size      = 2 * chunkSize
		timeout   = 6 * time.Second
		bandwidth = uploads * size / 9 // bytes per second: the uploads together take 9 s
	)
	dialer := slowDialer{rate.NewLimiter(bandwidth, packet)}
	client, err := mongo.Connect(options.Client().ApplyURI(mongotest.URI(t)).SetTimeout(timeout).SetDialer(dialer))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.Background())
	s, err := Open(t.Context(), client.Database(mongotest.Database(t)))
	if err != nil {
		t.Fatal(err)
	}
	data := mediatest.Bytes(size)
	var wg sync.WaitGroup
	for range uploads {
		wg.Go(func() {
			o := media.Object{ID: id.New(), Job: id.New(), Name: "film.mp4"}
			if _, err := s.Put(t.Context(), o, bytes.NewReader(data)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// slowDialer makes connections that together send as fast as the limiter permits.
type slowDialer struct{ limiter *rate.Limiter }

// packet is how many bytes a connection sends before others have their turn.
const packet = 64 << 10

func (d slowDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	return slowConn{c, d.limiter}, err
}

type slowConn struct {
	net.Conn
	limiter *rate.Limiter
}

func (c slowConn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		next := p[n:min(len(p), n+packet)]
		if err = c.limiter.WaitN(context.Background(), len(next)); err != nil {
			return n, err
		}
		var sent int
		sent, err = c.Conn.Write(next)
		n += sent
	}
	return n, err
}
