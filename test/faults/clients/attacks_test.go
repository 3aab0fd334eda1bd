package clients

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// attack is one kind of hostile client.
type attack struct {
	name string
	// small attacks are part of every run.
	small bool
	// needs is what the attackers must have: "", "unfinished" or "mp3".
	needs string
	// run uses one connection until it returns; then the client connects again.
	run func(ctx context.Context, c net.Conn, target target)
}

// target is what the attackers know.
type target struct {
	token string
	job   string // of the kind that the attack needs
	video []byte
}

var attacks = []attack{
	{name: "no token, endless body", small: true, run: func(ctx context.Context, c net.Conn, _ target) {
		fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n", int64(5)<<30)
		trickle(ctx, c, make([]byte, 4<<10), 100*time.Millisecond)
	}},
	{name: "body at a byte every 4 s", small: true, run: func(ctx context.Context, c net.Conn, x target) {
		x.upload(c, 1<<30)
		trickle(ctx, c, []byte{0}, 4*time.Second)
	}},
	{name: "body stalls after the headers", run: func(ctx context.Context, c net.Conn, x target) {
		x.upload(c, 1<<30)
		drain(c)
	}},
	{name: "body vanishes at a random byte", run: func(ctx context.Context, c net.Conn, x target) {
		x.upload(c, len(x.video))
		c.Write(x.video[:rand.IntN(len(x.video))])
		sleep(ctx, time.Duration(rand.IntN(5000))*time.Millisecond)
	}},
	{name: "flood of waits", needs: "unfinished", run: func(ctx context.Context, c net.Conn, x target) {
		fmt.Fprintf(c, "GET /jobs/%s?wait=240 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", x.job, x.token)
		drain(c)
	}},
	{name: "downloads that never read", needs: "mp3", run: func(ctx context.Context, c net.Conn, x target) {
		c.(*net.TCPConn).SetReadBuffer(4 << 10)
		x.download(c, "bytes=0-")
		<-ctx.Done()
	}},
	{name: "thousands of tiny ranges", needs: "mp3", run: func(ctx context.Context, c net.Conn, x target) {
		x.download(c, tinyRanges)
		drain(c)
	}},
	{name: "slow headers", small: true, run: func(ctx context.Context, c net.Conn, _ target) {
		fmt.Fprint(c, "GET /jobs HTTP/1.1\r\nHost: x\r\nX-Padding: ")
		trickle(ctx, c, []byte("a"), 4*time.Second)
	}},
	{name: "slow bodies of logins", run: func(ctx context.Context, c net.Conn, _ target) {
		fmt.Fprint(c, "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n")
		trickle(ctx, c, []byte(" "), 4*time.Second)
	}},
	{name: "idle connections", run: func(ctx context.Context, c net.Conn, _ target) {
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		drain(c)
	}},
}

// tinyRanges are as many ranges as fit into a request.
var tinyRanges = func() string {
	var ranges []string
	for i := range 5000 {
		ranges = append(ranges, fmt.Sprintf("%d-%d", 8*i, 8*i))
	}
	return "bytes=" + strings.Join(ranges, ",")
}()

// upload sends the headers of an upload, and download a request.
func (x target) upload(c net.Conn, length int) {
	fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n", x.token, length)
}

func (x target) download(c net.Conn, ranges string) {
	fmt.Fprintf(c, "GET /jobs/%s/audio HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nRange: %s\r\n\r\n", x.job, x.token, ranges)
}

// trickle writes b again and again, until the server closes the connection.
func trickle(ctx context.Context, c net.Conn, b []byte, interval time.Duration) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		drain(c)
	}()
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-closed:
			return
		case <-time.After(interval):
		}
	}
}

// drain reads until the server closes the connection.
func drain(c net.Conn) { io.Copy(io.Discard, c) }

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// siege runs an attack over many connections. Those that the server closes are opened
// again after a second.
type siege struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	opened atomic.Int64 // connections so far
}

func besiege(ctx context.Context, address string, n int, a attack, targets []target) *siege {
	ctx, cancel := context.WithCancel(ctx)
	s := &siege{cancel: cancel}
	// Another address than that of the normal user, who must not share a limit.
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: 10 * time.Second}
	for i := range n {
		s.wg.Go(func() {
			for ctx.Err() == nil {
				c, err := dialer.DialContext(ctx, "tcp", address)
				if err == nil {
					stop := context.AfterFunc(ctx, func() { c.Close() })
					s.opened.Add(1)
					a.run(ctx, c, targets[i%len(targets)])
					stop()
					c.Close()
				}
				sleep(ctx, time.Second)
			}
		})
	}
	return s
}

// end closes all connections.
func (s *siege) end() {
	s.cancel()
	s.wg.Wait()
}
