// Package forwarded finds the address of the client of a request that came through
// proxies, and hands it on from the gateway to auth.
//
// Each proxy appends the address of its peer to X-Forwarded-For. How many of the
// addresses at the end are genuine depends on the installation, so their number is
// configured; the networks of the proxies would not do, because a client may have an
// address there too. The package does not decide what to do with an address.
//
// auth cannot count for itself. A request from the gateway passes the ingress a second
// time, where some ingresses delete X-Forwarded-For and some leave it as it is; and other
// pods may call auth directly. Therefore the gateway sends the address in a header of its
// own, with a signature.
package forwarded

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"mp3converter/shared/token"
)

// Config says which addresses in X-Forwarded-For are genuine.
type Config struct {
	// Hops is the number of proxies between the clients and this process that append
	// to X-Forwarded-For. With 0 the header is not read.
	Hops int `envconfig:"TRUSTED_HOPS" default:"0"`
}

// Validate returns an error that names the invalid variable.
func (c Config) Validate() error {
	if c.Hops < 0 || c.Hops > 32 {
		return errors.New("TRUSTED_HOPS must be a number from 0 to 32")
	}
	return nil
}

// Client returns the address of the client: the peer's, or the one that the outermost of
// the proxies has appended. If the header has fewer addresses than there are proxies, it
// is the first one. What precedes these addresses may be forged and is not read.
func (c Config) Client(r *http.Request) string {
	client, ok := parse(r.RemoteAddr)
	if !ok {
		return r.RemoteAddr // a Unix socket, for example
	}
	hops := addresses(r.Header)
	hops = hops[max(0, len(hops)-c.Hops):]
	for len(hops) > 0 {
		previous, ok := parse(hops[len(hops)-1])
		if !ok {
			break
		}
		client, hops = previous, hops[:len(hops)-1]
	}
	return client.String()
}

// Mismatch returns why Hops seems to be wrong, judging from a request, or "". It cannot
// recognize every wrong value.
func (c Config) Mismatch(r *http.Request) string {
	hops := addresses(r.Header)
	if len(hops) < c.Hops {
		return "X-Forwarded-For has fewer addresses than TRUSTED_HOPS: clients may invent their address"
	}
	proxies := hops[len(hops)-c.Hops:]
	if len(proxies) > 1 && slices.ContainsFunc(proxies[1:], func(proxy string) bool {
		a, ok := parse(proxy)
		return ok && a.String() == c.Client(r)
	}) {
		return "the address of the client is that of a proxy: TRUSTED_HOPS may be too low, and then clients share the limits of one"
	}
	return ""
}

// addresses returns the addresses in X-Forwarded-For.
func addresses(h http.Header) []string {
	lines := h.Values("X-Forwarded-For")
	if len(lines) == 0 {
		return nil
	}
	return strings.Split(strings.Join(lines, ","), ",")
}

// parse accepts an address with or without a port.
func parse(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	a, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = withPort.Addr()
	}
	return a.Unmap().WithZone(""), true
}

// header holds the client's address and the signature of the gateway.
const (
	header  = "X-Client-Address"
	purpose = "client address"
)

// Set makes client the address that Get returns, whatever the header was.
func Set(h http.Header, keys token.Keys, client string) {
	h.Set(header, client+" "+base64.RawURLEncoding.EncodeToString(keys.MAC(purpose, client)))
}

// Get returns the address that Set has stored, if Set had one of these keys.
func Get(h http.Header, keys token.Keys) (client string, ok bool) {
	client, signature, _ := strings.Cut(h.Get(header), " ")
	mac, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !keys.CheckMAC(purpose, client, mac) {
		return "", false
	}
	return client, true
}
