package webhooks

import (
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The vector of the library's own tests.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func TestSignVector(t *testing.T) {
	h := http.Header{}
	if err := Sign(h, []string{vectorSecret}, vectorID, time.Unix(1614265330, 0), []byte(vectorBody)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"webhook-id": vectorID, "webhook-timestamp": "1614265330", "webhook-signature": vectorSignature,
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// During a rotation, receivers verify with either secret.
func TestSignWithSeveralSecrets(t *testing.T) {
	old, current := NewSecret(), NewSecret()
	h := http.Header{}
	if err := Sign(h, []string{current, old}, vectorID, time.Now(), []byte(vectorBody)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		secret, body string
		valid        bool
	}{
		"current": {current, vectorBody, true}, "old": {old, vectorBody, true},
		"another": {NewSecret(), vectorBody, false}, "changed": {current, vectorBody + " ", false},
	} {
		w, err := standardwebhooks.NewWebhook(c.secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Verify([]byte(c.body), h); (err == nil) != c.valid {
			t.Errorf("%s: %v, want valid: %v", name, err, c.valid)
		}
	}
}

func TestSignWithoutSecrets(t *testing.T) {
	h := http.Header{}
	if err := Sign(h, nil, vectorID, time.Now(), nil); err != nil || h.Get("webhook-signature") != "" || h.Get("webhook-id") != vectorID {
		t.Errorf("%v, %v", h, err)
	}
}

func TestParseSecrets(t *testing.T) {
	a, b := NewSecret(), NewSecret()
	for list, want := range map[string]int{
		"": 0, " ": 0, a: 1, a + " " + b: 2, a + "," + b: 2, a + ", " + b: 2, vectorSecret: 1, a + "\n": 1,
		"secret": -1, "whsec_c2hvcnQ=": -1, strings.TrimPrefix(a, "whsec_"): -1, a + " x": -1, "whsec_" + strings.Repeat("AAAA", 30): -1,
	} {
		got, err := ParseSecrets(list)
		if want < 0 && err == nil || want >= 0 && (err != nil || len(got) != want) {
			t.Errorf("%d secrets, %v; want %d (-1: an error) of %q", len(got), err, want, list)
		}
		if err != nil && strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("the error contains the secret: %v", err)
		}
	}
	if a == b {
		t.Error("two new secrets are the same")
	}
}
