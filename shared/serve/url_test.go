package serve

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, value := range []string{"http://auth", "https://user@host:8443/path?q=1", "HTTP://host"} {
		if _, err := ParseURL("AUTH_URL", value); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
	for _, value := range []string{"", "auth:8080", "ftp://secret", "http://", "//secret/path", "http://secret:port", "/secret"} {
		if _, err := ParseURL("AUTH_URL", value); err == nil || !strings.HasPrefix(err.Error(), "AUTH_URL must ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v", value, err)
		}
	}
}
