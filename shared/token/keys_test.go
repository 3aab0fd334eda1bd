package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func encodedKey(fill byte, n int) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(fill)), n)))
}

func mustKeys(t testing.TB, s string) Keys {
	t.Helper()
	k, err := ParseKeys(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseKeysErrors(t *testing.T) {
	good := "a:" + encodedKey('x', 32)
	for name, s := range map[string]string{
		"nothing":          "",
		"no kid":           encodedKey('x', 32),
		"empty kid":        ":" + encodedKey('x', 32),
		"kid with a space": "a b:" + encodedKey('x', 32),
		"kid too long":     strings.Repeat("k", 65) + ":" + encodedKey('x', 32),
		"empty key":        "a:",
		"31 bytes":         "a:" + encodedKey('x', 31),
		"not base64":       "a:" + strings.Repeat("!", 64),
		"duplicate kid":    good + ",a:" + encodedKey('y', 32),
		"trailing comma":   good + ",",
		"second too short": good + ",b:" + encodedKey('y', 16),
	} {
		t.Run(name, func(t *testing.T) {
			if k, err := ParseKeys(s); err == nil {
				t.Errorf("ParseKeys(%q) = %v, want an error", s, k)
			}
		})
	}
}

func TestParseKeysBase64(t *testing.T) {
	// 0xfb 0xff is '+' and '/' in one alphabet and '-' and '_' in the other.
	secret := []byte(strings.Repeat("\xfb\xff", 20))
	want := mustKeys(t, "a:"+base64.StdEncoding.EncodeToString(secret))
	raw, _, err := want.Issue("user", "", time.Minute, testNow)
	if err != nil {
		t.Fatal(err)
	}
	for name, enc := range map[string]*base64.Encoding{
		"standard, unpadded": base64.RawStdEncoding,
		"URL, padded":        base64.URLEncoding,
		"URL, unpadded":      base64.RawURLEncoding,
	} {
		t.Run(name, func(t *testing.T) {
			k := mustKeys(t, "a:"+enc.EncodeToString(secret))
			if _, err := k.Verify(raw, testNow); err != nil {
				t.Errorf("the same key in another spelling: %v", err)
			}
		})
	}
}

func TestErrorsContainNoKey(t *testing.T) {
	secret := encodedKey('s', 31)
	for name, s := range map[string]string{
		"too short":              "a:" + secret,
		"not base64":             "a:" + secret + "!",
		"key in the kid's place": secret + ":a",
		"key alone":              secret,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKeys(s)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), secret[:8]) {
				t.Errorf("the error contains the key: %v", err)
			}
		})
	}
}

func TestKeysPrintNoKey(t *testing.T) {
	secret := strings.Repeat("s", 32)
	config := struct {
		Public  Keys
		private Keys
	}{mustKeys(t, "a:"+encodedKey('s', 32)), mustKeys(t, "b:"+encodedKey('s', 32))}
	decimal := strings.Trim(fmt.Sprintf("%v", []byte(secret)), "[]")
	hexadecimal := fmt.Sprintf("%x", secret)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		got := fmt.Sprintf(verb, config)
		for _, leak := range []string{secret, decimal, hexadecimal, "0x73, 0x73"} {
			if strings.Contains(got, leak) {
				t.Errorf("%s prints the key: %s", verb, got)
			}
		}
	}
	if got := config.Public.String(); got != "token keys [a]" {
		t.Errorf("String() = %q", got)
	}
}

func TestZeroKeys(t *testing.T) {
	var k Keys
	if _, _, err := k.Issue("user", "", time.Minute, testNow); err == nil {
		t.Error("zero Keys issued a token")
	}
	raw, _, err := mustKeys(t, "a:"+encodedKey('x', 32)).Issue("user", "", time.Minute, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Verify(raw, testNow); !errors.Is(err, ErrInvalid) {
		t.Errorf("Verify with zero Keys: %v, want ErrInvalid", err)
	}
	if got := k.String(); got != "token keys []" {
		t.Errorf("String() = %q", got)
	}
}

func TestRotation(t *testing.T) {
	oldKey, newKey := "old:"+encodedKey('o', 32), "new:"+encodedKey('n', 32)
	before, _, err := mustKeys(t, oldKey).Issue("user", "", time.Hour, testNow)
	if err != nil {
		t.Fatal(err)
	}
	during := mustKeys(t, newKey+","+oldKey)
	after, _, err := during.Issue("user", "", time.Hour, testNow)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		keys Keys
		raw  string
		want error
	}{
		{"old token while both keys are known", during, before, nil},
		{"new token while both keys are known", during, after, nil},
		{"the first key signs, so the new key alone suffices", mustKeys(t, newKey), after, nil},
		{"old token once the old key is dropped", mustKeys(t, newKey), before, ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.keys.Verify(c.raw, testNow); !errors.Is(err, c.want) {
				t.Errorf("Verify: %v, want %v", err, c.want)
			}
		})
	}
}
