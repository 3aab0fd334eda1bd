package login

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// params are the parameters of Argon2id.
type params struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// currentParams is one of the settings that OWASP recommends as equally strong.
var currentParams = params{memory: 19 << 10, time: 2, threads: 1}

const (
	saltBytes = 16
	keyBytes  = 32
)

var errHash = errors.New("malformed password hash")

// deriveKey is a variable so that tests can count its calls.
var deriveKey = argon2.IDKey

// phc is a stored hash: parameters, salt and key in the PHC string format.
type phc struct {
	params
	salt, key []byte
}

func newHash(p params, password string) phc {
	h := phc{params: p, salt: make([]byte, saltBytes)}
	rand.Read(h.salt)
	h.key = h.derive(password)
	return h
}

// dummyHash returns a hash that no password matches. To derive its key would delay the
// start of a pod for which a login is waiting.
func dummyHash(p params) phc {
	h := phc{params: p, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}
	rand.Read(h.salt)
	rand.Read(h.key)
	return h
}

func (h phc) derive(password string) []byte {
	return deriveKey([]byte(password), h.salt, h.time, h.memory, h.threads, keyBytes)
}

func (h phc) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password), h.key) == 1
}

func (h phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.memory, h.time, h.threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}

// parseHash parses the result of String. It rejects parameters so large that checking
// a password would exhaust memory or CPU.
func parseHash(s string) (phc, error) {
	fields := strings.Split(s, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, errHash
	}
	var h phc
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil {
		return phc{}, errHash
	}
	if h.memory < 8 || h.memory > 256<<10 || h.time < 1 || h.time > 16 || h.threads < 1 || h.threads > 16 {
		return phc{}, errHash
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(fields[4]); err != nil || len(h.salt) < 8 {
		return phc{}, errHash
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(fields[5]); err != nil || len(h.key) != keyBytes {
		return phc{}, errHash
	}
	return h, nil
}
