package forwarded

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mp3converter/shared/token"
)

func TestClient(t *testing.T) {
	for name, c := range map[string]struct {
		hops  int
		peer  string
		lines []string // of X-Forwarded-For
		want  string
	}{
		"no proxy":                              {0, "203.0.113.5:1000", nil, "203.0.113.5"},
		"no proxy, forged header":               {0, "203.0.113.5:1000", []string{"198.51.100.9"}, "203.0.113.5"},
		"no proxy, private client":              {0, "10.0.0.1:1000", []string{"198.51.100.9"}, "10.0.0.1"},
		"one proxy":                             {1, "10.0.0.1:1000", []string{"203.0.113.5"}, "203.0.113.5"},
		"one proxy, forged header":              {1, "10.0.0.1:1000", []string{"198.51.100.9, 203.0.113.5"}, "203.0.113.5"},
		"a client in the proxies' network":      {3, "127.0.0.1:1000", []string{"198.51.100.9, 10.0.0.7, 10.0.0.8, 10.0.0.9"}, "10.0.0.7"},
		"three proxies":                         {3, "127.0.0.1:1000", []string{"203.0.113.5, 10.0.0.8, 10.0.0.9"}, "203.0.113.5"},
		"three proxies, one of them silent":     {3, "127.0.0.1:1000", []string{"10.0.0.8, 10.0.0.9"}, "10.0.0.8"},
		"three proxies, no header":              {3, "127.0.0.1:1000", nil, "127.0.0.1"},
		"three proxies, a line each":            {3, "127.0.0.1:1000", []string{"198.51.100.9, 203.0.113.5", "10.0.0.8", "10.0.0.9"}, "203.0.113.5"},
		"garbage in front":                      {1, "10.0.0.1:1000", []string{"x, 203.0.113.5"}, "203.0.113.5"},
		"garbage where an address should be":    {2, "10.0.0.1:1000", []string{"198.51.100.9, x, 203.0.113.5"}, "203.0.113.5"},
		"nothing where an address should be":    {2, "10.0.0.1:1000", []string{"198.51.100.9,, 203.0.113.5"}, "203.0.113.5"},
		"garbage where the last should be":      {1, "10.0.0.1:1000", []string{"198.51.100.9, unknown"}, "10.0.0.1"},
		"a port behind the address":             {1, "10.0.0.1:1000", []string{"203.0.113.5:4711"}, "203.0.113.5"},
		"a port behind an IPv6 address":         {1, "10.0.0.1:1000", []string{"[2001:db8::5]:4711"}, "2001:db8::5"},
		"IPv6":                                  {1, "[fd00::1]:1000", []string{"2001:db8::5"}, "2001:db8::5"},
		"IPv4 within IPv6":                      {0, "[::ffff:203.0.113.5]:1000", nil, "203.0.113.5"},
		"IPv4 within IPv6, forwarded":           {1, "10.0.0.1:1000", []string{"::ffff:203.0.113.5"}, "203.0.113.5"},
		"an IPv6 zone does not make it another": {0, "[fe80::1%eth0]:1000", nil, "fe80::1"},
		"not an address":                        {1, "@", []string{"198.51.100.9"}, "@"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/login", nil)
			r.RemoteAddr = c.peer
			r.Header["X-Forwarded-For"] = c.lines
			if got := (Config{c.hops}).Client(r); got != c.want {
				t.Errorf("client %s, want %s", got, c.want)
			}
		})
	}
}

func TestMismatch(t *testing.T) {
	for name, c := range map[string]struct {
		hops   int
		header string
		want   string // in the message
	}{
		"no proxy":                          {0, "", ""},
		"no proxy, forged header":           {0, "198.51.100.9", ""},
		"as many proxies as expected":       {3, "203.0.113.5, 10.0.0.8, 10.0.0.9", ""},
		"forged addresses in front":         {3, "198.51.100.9, 203.0.113.5, 10.0.0.8, 10.0.0.9", ""},
		"a silent proxy":                    {3, "10.0.0.8, 10.0.0.9", "fewer addresses than TRUSTED_HOPS"},
		"no header":                         {1, "", "fewer addresses than TRUSTED_HOPS"},
		"through the same ingress twice":    {3, "203.0.113.5, 10.0.0.8, 10.0.0.8, 10.0.0.9", "may be too low"},
		"the same, all of them counted":     {4, "203.0.113.5, 10.0.0.8, 10.0.0.8, 10.0.0.9", ""},
		"one proxy that is the same client": {1, "10.0.0.8, 10.0.0.8", ""},
	} {
		r := httptest.NewRequest("POST", "/login", nil)
		r.RemoteAddr = "127.0.0.1:1000"
		if c.header != "" {
			r.Header.Set("X-Forwarded-For", c.header)
		}
		got := (Config{c.hops}).Mismatch(r)
		if got != "" && c.want == "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// However many addresses a client sends, its own is returned, because each proxy appends
// one.
func TestForgedAddresses(t *testing.T) {
	for hops := 1; hops <= 4; hops++ {
		for forged := range 12 {
			r := httptest.NewRequest("POST", "/login", nil)
			r.RemoteAddr = "127.0.0.1:1000"
			list := strings.Repeat("198.51.100.9, ", forged) + "203.0.113.5" + strings.Repeat(", 10.0.0.8", hops-1)
			r.Header.Set("X-Forwarded-For", list)
			if got := (Config{hops}).Client(r); got != "203.0.113.5" {
				t.Errorf("%d proxies, %d forged addresses: client %s", hops, forged, got)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for hops, valid := range map[int]bool{-1: false, 0: true, 32: true, 33: false} {
		err := Config{hops}.Validate()
		if valid != (err == nil) || err != nil && !strings.Contains(err.Error(), "TRUSTED_HOPS") {
			t.Errorf("%d: %v", hops, err)
		}
	}
}

func TestHandedOn(t *testing.T) {
	keys, others := testKeys(t, 'k'), testKeys(t, 'o')
	signed := func(k token.Keys, client string) string {
		h := http.Header{}
		h.Set(header, "198.51.100.9 forged")
		Set(h, k, client)
		return h.Get(header)
	}
	genuine := signed(keys, "203.0.113.5")
	_, signature, _ := strings.Cut(genuine, " ")
	for name, c := range map[string]struct {
		value, want string
	}{
		"genuine":           {genuine, "203.0.113.5"},
		"IPv6":              {signed(keys, "2001:db8::5"), "2001:db8::5"},
		"absent":            {"", ""},
		"unsigned":          {"203.0.113.5", ""},
		"empty signature":   {"203.0.113.5 ", ""},
		"another address":   {"203.0.113.6 " + signature, ""},
		"another key":       {signed(others, "203.0.113.5"), ""},
		"not base64":        {"203.0.113.5 !" + signature, ""},
		"signature of text": {"203.0.113.5 " + base64.RawURLEncoding.EncodeToString(keys.MAC("token", "203.0.113.5")), ""},
	} {
		h := http.Header{}
		h.Set(header, c.value)
		got, ok := Get(h, keys)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", name, got, ok, c.want)
		}
	}
}

func testKeys(t *testing.T, fill byte) token.Keys {
	t.Helper()
	keys, err := token.ParseKeys("k:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(fill)), 32))))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
