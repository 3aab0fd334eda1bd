package webhooks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// maxURL is the length of a URL in bytes.
const maxURL = 2048

// Receivers says which addresses may receive the webhooks of users.
type Receivers struct {
	AllowHTTP bool     `envconfig:"WEBHOOK_ALLOW_HTTP" default:"false"` // also without TLS
	Ports     []uint16 `envconfig:"WEBHOOK_PORTS" default:"443,80"`

	// AllowedNetworks are networks in CIDR notation that may receive webhooks although
	// their addresses are not public.
	AllowedNetworks []string `envconfig:"WEBHOOK_ALLOWED_NETWORKS"`

	// Resolver resolves names; the system's if nil.
	Resolver *net.Resolver `ignored:"true"`
}

// Validate returns an error that names the invalid variable.
func (r Receivers) Validate() error {
	if len(r.Ports) == 0 || slices.Contains(r.Ports, 0) {
		return errors.New("WEBHOOK_PORTS must list at least one port, and no 0")
	}
	_, _, err := r.allowedPrefixes()
	return err
}

func (r Receivers) allowedPrefixes() (v4, v6 []netip.Prefix, err error) {
	for _, s := range r.AllowedNetworks {
		p, err := netip.ParsePrefix(strings.TrimSpace(s))
		switch {
		case err != nil || p.Addr().Is4In6():
			return nil, nil, fmt.Errorf("WEBHOOK_ALLOWED_NETWORKS must be networks such as 10.1.0.0/16, not %.60q", s)
		case p.Addr().Is4():
			v4 = append(v4, p.Masked())
		default:
			v6 = append(v6, p.Masked())
		}
	}
	return v4, v6, nil
}

// guardian checks addresses. The settings are valid.
func (r Receivers) guardian() *ssrf.Guardian {
	v4, v6, _ := r.allowedPrefixes()
	return ssrf.New(ssrf.WithPorts(r.Ports...), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

// CheckURL returns an error, written for the user, if a URL cannot receive webhooks. The
// name in the URL is not resolved: that the address may be used is checked for each
// connection.
func (r Receivers) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case len(raw) > maxURL:
		return fmt.Errorf("the URL must not be longer than %d bytes", maxURL)
	case err != nil:
		return errors.New("the URL is malformed")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the URL must begin with https://")
	case u.Scheme == "http" && !r.AllowHTTP:
		return errors.New("the URL must begin with https://, because messages would otherwise be readable on their way")
	case u.Hostname() == "":
		return errors.New("the URL has no host")
	case u.User != nil:
		return errors.New("the URL must not contain a user name or password; messages are signed instead")
	case u.Fragment != "":
		return errors.New("the URL must not contain a fragment (#)")
	}
	return r.checkHost(u)
}

func (r Receivers) checkHost(u *url.URL) error {
	port := map[string]uint16{"https": 443, "http": 80}[u.Scheme]
	if s := u.Port(); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return errors.New("the port is invalid")
		}
		port = uint16(n)
	}
	if !slices.Contains(r.Ports, port) {
		return fmt.Errorf("port %d is not permitted; use one of %v", port, r.Ports)
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil && r.guardian().SafeAddr(ip) != nil {
		return errors.New("the address is not a public one")
	}
	return nil
}

// ErrNotPublic means that a name leads to an address that may not receive webhooks. It
// does not say which: users must not learn the addresses of internal names.
var ErrNotPublic = errors.New("the address is not a public one, or its port is not permitted")

// NewTransport returns a transport that connects only to addresses that may receive
// webhooks. What is checked is the address of each connection, so it does not matter
// what a name resolved to before, or where a redirect leads. It uses no proxy: that would
// connect in its place. timeout limits each step of a request.
func (r Receivers) NewTransport(timeout time.Duration) *http.Transport {
	guardian := r.guardian()
	dialer := &net.Dialer{
		Timeout:  timeout,
		Resolver: r.Resolver,
		Control: func(network, address string, _ syscall.RawConn) error {
			if guardian.Safe(network, address, nil) != nil {
				return ErrNotPublic
			}
			return nil
		},
	}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: 16 << 10,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        30 * time.Second,
	}
}
