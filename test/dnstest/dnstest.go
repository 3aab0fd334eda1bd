// Package dnstest is a DNS server for tests whose answers a test chooses, query by
// query.
package dnstest

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Answers returns the addresses of a name for its nth query, counted from 0. A query asks
// for IPv4 or for IPv6 addresses; both have the same n, and only those of its family
// are sent.
type Answers func(name string, n int) []netip.Addr

// Resolver returns a resolver that asks a server with these answers. The server runs
// until the test ends. Answers have no lifetime, so that nobody may keep them.
func Resolver(t testing.TB, answers Answers) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serve(conn, answers)
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// serve answers until the connection is closed.
func serve(conn net.PacketConn, answers Answers) {
	queries := map[dnsmessage.Question]int{}
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		addresses := answers(q.Name.String(), queries[q])
		queries[q]++
		if packed, err := reply(m.ID, q, addresses); err == nil {
			conn.WriteTo(packed, from)
		}
	}
}

func reply(id uint16, q dnsmessage.Question, addresses []netip.Addr) ([]byte, error) {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, Response: true, Authoritative: true},
		Questions: []dnsmessage.Question{q},
	}
	for _, a := range addresses {
		var body dnsmessage.ResourceBody
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			body = &dnsmessage.AResource{A: a.As4()}
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			continue
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET},
			Body:   body,
		})
	}
	return m.Pack()
}
