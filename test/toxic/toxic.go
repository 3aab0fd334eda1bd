// Package toxic puts a TCP proxy in front of a server and breaks its connections, to
// test how a client behaves when the network or the server is slow or fails.
package toxic

import (
	"fmt"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"mp3converter/test/testproc"
)

// applyTimeout bounds the time in which a fault takes effect. It is long because the
// machine may be slow.
const applyTimeout = time.Minute

// A Fault is what a Proxy does to all connections, in both directions unless its
// comment says otherwise.
type Fault struct {
	Name       string
	kind       string // of the toxic
	attributes string // of the toxic, in JSON
	streams    []string
}

var (
	toServer = []string{"upstream"}
	toClient = []string{"downstream"}
	both     = []string{"upstream", "downstream"}
)

// Delay delivers all data later by d.
func Delay(d time.Duration) Fault {
	return Fault{"delay", "latency", fmt.Sprintf(`{"latency":%d}`, d.Milliseconds()), both}
}

// Trickle delivers one byte in every interval.
func Trickle(interval time.Duration) Fault {
	return Fault{"trickle", "slicer", fmt.Sprintf(`{"average_size":1,"delay":%d}`, interval.Microseconds()), both}
}

// LimitRate delivers at most that many kilobytes per second to the server.
func LimitRate(kilobytes int) Fault {
	return Fault{"limit rate", "bandwidth", fmt.Sprintf(`{"rate":%d}`, kilobytes), toServer}
}

// TruncateRequest closes a connection after the client has sent n bytes.
func TruncateRequest(n int) Fault {
	return Fault{"truncate request", "limit_data", fmt.Sprintf(`{"bytes":%d}`, n), toServer}
}

// TruncateResponse closes a connection after the server has sent n bytes.
func TruncateResponse(n int) Fault {
	return Fault{"truncate response", "limit_data", fmt.Sprintf(`{"bytes":%d}`, n), toClient}
}

// Reset closes a connection when data arrives. Connections that were opened under the
// fault are reset.
func Reset() Fault { return Fault{"reset", "reset_peer", `{"timeout":0}`, both} }

// Partition drops all data and keeps connections open.
func Partition() Fault { return Fault{"partition", "timeout", `{"timeout":0}`, both} }

// Faults returns one fault of every kind. A client whose time limit is about a second
// can fail under each of them.
func Faults() []Fault {
	return []Fault{
		Delay(time.Second), Trickle(200 * time.Millisecond), TruncateRequest(100), TruncateResponse(100), Reset(), Partition(),
	}
}

// Proxy forwards connections to a server. It is not safe for concurrent use.
type Proxy struct {
	Addr string // host:port to connect to instead of the server

	upstream string
	proxy    *toxiproxy.Proxy
}

// Start forwards connections to the address upstream until the test ends.
func Start(t testing.TB, upstream string) *Proxy {
	t.Helper()
	p := &Proxy{Addr: fmt.Sprintf("127.0.0.1:%d", testproc.FreePorts(t, 1)[0]), upstream: upstream}
	p.start(t)
	t.Cleanup(func() { p.proxy.Stop() })
	return p
}

// Apply breaks the open connections and all new ones until Heal. Several faults add up.
func (p *Proxy) Apply(t testing.TB, f Fault) {
	t.Helper()
	applied := make(chan error, 1)
	go func() {
		for _, stream := range f.streams {
			toxic := fmt.Sprintf(`{"type":%q,"stream":%q,"attributes":%s}`, f.kind, stream, f.attributes)
			if _, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
				applied <- err
				return
			}
		}
		applied <- nil
	}()
	select {
	case err := <-applied:
		if err != nil {
			t.Fatalf("apply %s: %v", f.Name, err)
		}
	case <-time.After(applyTimeout):
		t.Fatalf("%s was not applied in %v", f.Name, applyTimeout)
	}
}

// Heal closes the open connections and forwards new ones without faults.
func (p *Proxy) Heal(t testing.TB) {
	t.Helper()
	// Taking toxics out of a running proxy waits for their data to be delivered, so
	// the proxy is replaced.
	p.proxy.Stop()
	p.start(t)
}

func (p *Proxy) start(t testing.TB) {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p.proxy = toxiproxy.NewProxy(server, "toxic", p.Addr, p.upstream)
	if err := p.proxy.Start(); err != nil {
		t.Fatal(err)
	}
}

// Patience is how long Within waits. It is long because the machine may be slow.
const Patience = 30 * time.Second

// Within calls f and fails the test if it does not return. A client that has a time
// limit returns under every fault.
func Within(t testing.TB, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(Patience):
		t.Fatalf("%s has not ended after %v", what, Patience)
		return nil
	}
}
