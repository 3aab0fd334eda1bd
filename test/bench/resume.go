package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"mp3converter/shared/client"
)

// measureResume uploads 1 GB while the connection is lost 20 times, and returns how many
// bytes the client has sent ÷ the size.
func measureResume(ctx context.Context, h *harness) (float64, string, error) {
	const size, losses = 1 << 30, 20
	s, err := h.start(ctx, "CONVERSIONS=1", "FFMPEG=true", "FFPROBE=true")
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	proxy, err := startLossyProxy(strings.TrimPrefix(s.BaseURL, "http://"), size, losses)
	if err != nil {
		return 0, "", err
	}
	defer proxy.Close()
	u := client.Resumable{
		Client: &client.Client{BaseURL: "http://" + proxy.Addr().String(), Token: s.Token, RetryFor: time.Minute},
		Video:  client.Video{Name: "random.mp4"}, Size: size,
		File: newRepeatReader(),
	}
	start := time.Now()
	if _, err := u.Run(ctx); err != nil {
		return 0, "", err
	}
	return float64(u.Sent()) / size, fmt.Sprintf("%d connections lost, %.1f s", min(losses, proxy.connections.Load()-1), time.Since(start).Seconds()), nil
}

// measureTus compares the throughput of resumable uploads in one request, as most clients of
// the protocol send them, with plain uploads of the same file. The detail has the throughput
// in the parts of the client package, too.
func measureTus(ctx context.Context, h *harness) (float64, string, error) {
	const size = 1 << 30
	s, err := h.start(ctx, "CONVERSIONS=1", "FFMPEG=true", "FFPROBE=true")
	if err != nil {
		return 0, "", err
	}
	defer s.stop()
	var plain, whole, parts time.Duration
	for range 3 {
		start := time.Now()
		j, err := s.Upload(ctx, "random.mp4", randomBytes(size))
		if err != nil {
			return 0, "", err
		}
		plain = lower(plain, time.Since(start))
		if err := s.Remove(ctx, j.ID); err != nil {
			return 0, "", err
		}
		for partSize, best := range map[int64]*time.Duration{size: &whole, client.DefaultPartSize: &parts} {
			u := client.Resumable{Client: s.Client, Video: client.Video{Name: "random.mp4"}, Size: size, File: newRepeatReader(), PartSize: partSize}
			start := time.Now()
			id, err := u.Run(ctx)
			if err != nil {
				return 0, "", err
			}
			*best = lower(*best, time.Since(start))
			if err := s.Remove(ctx, id); err != nil {
				return 0, "", err
			}
		}
	}
	rate := func(d time.Duration) float64 { return size / 1e6 / d.Seconds() }
	return plain.Seconds() / whole.Seconds(), fmt.Sprintf("%.0f MB/s, in parts of %d MB %.0f MB/s, plain upload %.0f MB/s",
		rate(whole), client.DefaultPartSize>>20, rate(parts), rate(plain)), nil
}

// lossyProxy forwards connections. The first ones are lost after a random number of bytes.
type lossyProxy struct {
	net.Listener
	connections atomic.Int64
}

// startLossyProxy loses the given number of connections while size bytes pass.
func startLossyProxy(upstream string, size, losses int64) (*lossyProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &lossyProxy{Listener: l}
	random := rand.New(rand.NewPCG(1, 2))
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			limit := size * 2 // not lost
			if p.connections.Add(1) <= losses {
				limit = random.Int64N(2 * size / (losses + 1))
			}
			go forward(conn, upstream, limit)
		}
	}()
	return p, nil
}

// forward closes both connections when the client has sent limit bytes, or one of them ends.
func forward(conn net.Conn, upstream string, limit int64) {
	defer conn.Close()
	server, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer conn.Close()
		_, _ = io.Copy(conn, server)
	}()
	_, _ = io.CopyN(server, conn, limit)
}
