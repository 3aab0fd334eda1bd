package webhooks

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secretPrefix = "whsec_"
	// The lengths in bytes that Standard Webhooks allows for keys.
	minKey, maxKey = 24, 64
	newKey         = 32
)

// NewSecret returns a random secret.
func NewSecret() string {
	key := make([]byte, newKey)
	rand.Read(key)
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// ParseSecrets returns the secrets in a list that is separated by spaces or commas. Errors
// do not contain them.
func ParseSecrets(list string) ([]string, error) {
	secrets := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
	for _, s := range secrets {
		encoded, ok := strings.CutPrefix(s, secretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < minKey || len(key) > maxKey {
			return nil, fmt.Errorf("a secret must be %q and the base64 of %d to %d bytes", secretPrefix, minKey, maxKey)
		}
	}
	return secrets, nil
}

// Sign sets the headers of Standard Webhooks on a message. The signature has one part
// for each secret; without secrets the message is not signed.
func Sign(h http.Header, secrets []string, id string, now time.Time, body []byte) error {
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	var signatures []string
	for _, secret := range secrets {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return errors.New("a secret is malformed") // without the secret
		}
		signature, err := w.Sign(id, now, body)
		if err != nil {
			return err
		}
		signatures = append(signatures, signature)
	}
	if len(signatures) > 0 {
		h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	}
	return nil
}
