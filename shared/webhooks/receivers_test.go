package webhooks

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/test/dnstest"
)

var defaults = Receivers{Ports: []uint16{443, 80}}

func TestCheckURL(t *testing.T) {
	httpToo, cluster := defaults, defaults
	httpToo.AllowHTTP = true
	cluster.AllowedNetworks = []string{"10.1.0.0/16", "127.0.0.0/8", "fd00::/8"}
	for _, c := range []struct {
		receivers Receivers
		url, want string // want: part of the error; "" for none
	}{
		{defaults, "https://example.com/hook?token=1", ""},
		{defaults, "https://example.com:443", ""},
		{defaults, "https://example.com:80/", ""},
		{defaults, "https://8.8.8.8/", ""},
		{defaults, "https://[2606:4700::1111]/", ""},
		{defaults, "", "https://"},
		{defaults, "example.com", "https://"},
		{defaults, "ftp://example.com/", "https://"},
		{defaults, "http://example.com/", "readable"},
		{httpToo, "http://example.com/", ""},
		{httpToo, "https://example.com/", ""},
		{defaults, "https:///path", "no host"},
		{defaults, "https://ann:secret@example.com/", "password"},
		{defaults, "https://example.com/#top", "fragment"},
		{defaults, "https://example.com/" + strings.Repeat("x", maxURL), "longer"},
		{defaults, "https://exa mple.com/", "malformed"},
		{defaults, "https://example.com:8443/", "8443"},
		{defaults, "https://example.com:22/", "22"},
		{defaults, "https://localhost/", "public"},
		{defaults, "https://LocalHost./", "public"},
		{defaults, "https://a.localhost/", "public"},
		{cluster, "https://localhost/", ""},
		{defaults, "https://10.1.2.3/", "public"},
		{cluster, "https://10.1.2.3/", ""},
		{cluster, "https://10.2.2.3/", "public"},
		{defaults, "https://[fd00::1]/", "public"},
		{cluster, "https://[fd00::1]/", ""},
		{defaults, "https://[::ffff:10.1.2.3]/", "public"},
		{defaults, "https://[fe80::1%25eth0]/", "public"},
	} {
		err := c.receivers.CheckURL(c.url)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want an error with %q", c.url, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error contains the password: %v", err)
		}
	}
}

// special are addresses, one or more of each range, that must not receive webhooks.
var special = map[string][]string{
	"this network": {"0.0.0.0", "0.1.2.3"}, "private": {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"},
	"shared": {"100.64.0.1", "100.127.255.255"}, "loopback": {"127.0.0.1", "127.255.255.254", "::1"},
	"link-local, metadata": {"169.254.169.254", "169.254.170.2", "fe80::1", "fe80::a9fe:a9fe"}, "metadata": {"fd00:ec2::254", "100.100.100.200", "192.0.0.192"},
	"documentation": {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"}, "benchmarks": {"198.18.0.1"},
	"multicast": {"224.0.0.1", "239.255.255.250", "ff02::1"}, "reserved": {"240.0.0.1", "255.255.255.255"},
	"unspecified": {"::"}, "unique local": {"fc00::1", "fdff::1"}, "site-local": {"fec0::1"},
	"IPv4-mapped": {"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"}, "IPv4-compatible": {"::127.0.0.1"},
	"NAT64": {"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"}, "6to4": {"2002:7f00:1::1"}, "Teredo": {"2001:0:7f00:1::1"},
}

func TestSpecialAddresses(t *testing.T) {
	control := defaults.NewTransport(time.Second)
	for name, addresses := range special {
		for _, a := range addresses {
			host := a
			if strings.Contains(a, ":") {
				host = "[" + a + "]"
			}
			if err := defaults.CheckURL("https://" + host + "/"); err == nil {
				t.Errorf("%s: a URL with %s is accepted", name, a)
			}
			_, err := control.DialContext(t.Context(), "tcp", net.JoinHostPort(a, "443"))
			if !errors.Is(err, ErrNotPublic) {
				t.Errorf("%s: dialling %s: %v, want %v", name, a, err, ErrNotPublic)
			}
		}
	}
}

// receiver is an HTTP server that counts its connections.
type receiver struct {
	*httptest.Server
	connections atomic.Int64
}

// listenPair starts a server at 127.0.0.1, and another at the same port of 127.0.0.2,
// which stands for a public address.
func listenPair(t *testing.T, h http.Handler) (private, public *receiver, port uint16) {
	t.Helper()
	for range 20 {
		a, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := a.Addr().(*net.TCPAddr).Port
		b, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(port)))
		if err != nil {
			a.Close()
			continue
		}
		return serveOn(t, a, h), serveOn(t, b, h), uint16(port)
	}
	t.Fatal("no port is free at both addresses")
	return nil, nil, 0
}

func serveOn(t *testing.T, l net.Listener, h http.Handler) *receiver {
	r := &receiver{Server: &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}}
	r.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			r.connections.Add(1)
		}
	}
	r.Start()
	t.Cleanup(r.Close)
	return r
}

var (
	privateAddr = netip.MustParseAddr("127.0.0.1")
	publicAddr  = netip.MustParseAddr("127.0.0.2")
)

// The answer of the DNS server changes between one use and the next, and it lists a
// private address beside a public one. Only the public one is connected to.
func TestChangingDNSAnswers(t *testing.T) {
	private, public, port := listenPair(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	answers := [][]netip.Addr{{publicAddr}, {privateAddr}, {privateAddr, publicAddr}, {publicAddr, privateAddr}, {netip.MustParseAddr("169.254.169.254")}}
	reached := []bool{true, false, true, true, false}
	r := Receivers{
		AllowHTTP: true, Ports: []uint16{port}, AllowedNetworks: []string{publicAddr.String() + "/32"},
		Resolver: dnstest.Resolver(t, func(_ string, n int) []netip.Addr { return answers[min(n, len(answers)-1)] }),
	}
	url := "http://receiver.test:" + strconv.Itoa(int(port)) + "/"
	if err := r.CheckURL(url); err != nil {
		t.Fatal(err)
	}
	transport := r.NewTransport(10 * time.Second)
	transport.DisableKeepAlives = true
	for i, want := range reached {
		before := public.connections.Load()
		_, err := request(t.Context(), &http.Client{Transport: transport}, url)
		if (err == nil) != want || !want && !errors.Is(err, ErrNotPublic) {
			t.Errorf("answer %v: %v, want success: %v", answers[i], err, want)
		}
		if want && public.connections.Load() != before+1 {
			t.Errorf("answer %v: the public address was not connected to", answers[i])
		}
	}
	if n := private.connections.Load(); n != 0 {
		t.Errorf("%d connections to the private address", n)
	}
}

// Even a client that follows redirects does not reach a private address.
func TestRedirectToPrivateAddress(t *testing.T) {
	var port uint16
	private, _, port := listenPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:"+strconv.Itoa(int(port))+"/secrets", http.StatusTemporaryRedirect)
	}))
	r := Receivers{AllowHTTP: true, Ports: []uint16{port}, AllowedNetworks: []string{"127.0.0.2/32"}}
	_, err := request(t.Context(), &http.Client{Transport: r.NewTransport(10 * time.Second)}, "http://127.0.0.2:"+strconv.Itoa(int(port)))
	if !errors.Is(err, ErrNotPublic) || private.connections.Load() != 0 {
		t.Errorf("%v, %d connections to the private address", err, private.connections.Load())
	}
}

// A proxy would connect to what the guard refuses.
func TestProxyIsNotUsed(t *testing.T) {
	proxy, _, port := listenPair(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Setenv("HTTP_PROXY", proxy.URL)
	r := Receivers{AllowHTTP: true, Ports: []uint16{port}, AllowedNetworks: []string{"127.0.0.0/8"}}
	if p := r.NewTransport(time.Second).Proxy; p != nil {
		t.Error("the transport has a proxy function")
	}
}

func TestPortsOfConnections(t *testing.T) {
	private, _, port := listenPair(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := Receivers{AllowHTTP: true, Ports: []uint16{port + 1}, AllowedNetworks: []string{"127.0.0.0/8"}}
	if _, err := request(t.Context(), &http.Client{Transport: r.NewTransport(time.Second)}, private.URL); !errors.Is(err, ErrNotPublic) {
		t.Errorf("another port: %v", err)
	}
}

func request(ctx context.Context, c *http.Client, url string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

func TestReceiversValidate(t *testing.T) {
	for name, c := range map[string]struct {
		receivers Receivers
		variable  string
	}{
		"defaults":  {defaults, ""},
		"networks":  {Receivers{Ports: []uint16{443}, AllowedNetworks: []string{"10.0.0.0/8", " fd00::/8"}}, ""},
		"no ports":  {Receivers{}, "WEBHOOK_PORTS"},
		"port 0":    {Receivers{Ports: []uint16{0}}, "WEBHOOK_PORTS"},
		"address":   {Receivers{Ports: []uint16{443}, AllowedNetworks: []string{"10.0.0.1"}}, "WEBHOOK_ALLOWED_NETWORKS"},
		"a mapping": {Receivers{Ports: []uint16{443}, AllowedNetworks: []string{"::ffff:10.0.0.0/104"}}, "WEBHOOK_ALLOWED_NETWORKS"},
	} {
		err := c.receivers.Validate()
		if (err == nil) != (c.variable == "") || err != nil && !strings.Contains(err.Error(), c.variable) {
			t.Errorf("%s: %v, want an error that names %q", name, err, c.variable)
		}
	}
}
