package notify

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"
)

func TestTLSPolicies(t *testing.T) {
	https := httptest.NewTLSServer(nil)
	https.Close()
	untrusted := https.TLS.Certificates
	for name, c := range map[string]struct {
		policy       string
		certificates []tls.Certificate // none: the server does not offer STARTTLS
		sent         bool
	}{
		"mandatory, not offered":     {"mandatory", nil, false},
		"opportunistic, not offered": {"opportunistic", nil, true},
		"none":                       {"none", nil, true},
		"mandatory, untrusted":       {"mandatory", untrusted, false},
		"opportunistic, untrusted":   {"opportunistic", untrusted, false},
	} {
		t.Run(name, func(t *testing.T) {
			box := &mailServer{certificates: c.certificates}
			cfg := box.start(t)
			cfg.TLS = c.policy
			err := newMail(t, cfg).Notify(t.Context(), finished(t, newStore(t), nil))
			if sent := len(box.all()) == 1; sent != c.sent || (err == nil) != c.sent {
				t.Errorf("SMTP_TLS=%s: sent in the clear or to an untrusted server: %v, want %v; error %v", c.policy, sent, c.sent, err)
			}
		})
	}
}
