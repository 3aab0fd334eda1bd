package token

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var testNow = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

const testKeys = "k1:eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=" // 32 times x

func goodClaims() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "user", "jti": "one",
		"iat": testNow.Unix(), "exp": testNow.Add(time.Hour).Unix(),
		"email": "user@example.com",
	}
}

// with returns valid claims with some replaced, or removed if nil.
func with(changes jwt.MapClaims) jwt.MapClaims {
	c := goodClaims()
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func sign(t testing.TB, method jwt.SigningMethod, key any, header map[string]any, claims jwt.Claims) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, claims)
	tok.Header["kid"] = "k1"
	maps.Copy(tok.Header, header)
	maps.DeleteFunc(tok.Header, func(_ string, v any) bool { return v == nil })
	raw, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// respell changes the two bits at the end of a signature of 32 bytes that its base64 does
// not use.
func respell(raw string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(raw) - 1
	return raw[:last] + string(alphabet[strings.IndexByte(alphabet, raw[last])+1])
}

func TestIssuedTokenVerifies(t *testing.T) {
	k := mustKeys(t, testKeys)
	raw, issued, err := k.Issue("user", "user@example.com", time.Hour, testNow.Add(700*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Verify(raw, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if got != issued {
		t.Errorf("verified claims %+v differ from the issued %+v", got, issued)
	}
	want := Claims{"user", "user@example.com", got.ID, testNow, testNow.Add(time.Hour)}
	if got != want || got.ID == "" {
		t.Errorf("claims %+v, want %+v", got, want)
	}
}

func TestTokenIDsAreUnique(t *testing.T) {
	k := mustKeys(t, testKeys)
	seen := map[string]bool{}
	for range 100 {
		_, c, err := k.Issue("user", "", time.Hour, testNow)
		if err != nil {
			t.Fatal(err)
		}
		if seen[c.ID] {
			t.Fatalf("duplicate token ID %s", c.ID)
		}
		seen[c.ID] = true
	}
}

func TestIssueErrors(t *testing.T) {
	k := mustKeys(t, testKeys)
	if _, _, err := k.Issue("", "user@example.com", time.Hour, testNow); err == nil {
		t.Error("a token without a subject was issued")
	}
	if _, _, err := k.Issue("user", "", time.Second-1, testNow); err == nil {
		t.Error("a token with a lifetime under a second was issued")
	}
}

func TestVerify(t *testing.T) {
	key := bytes.Repeat([]byte("x"), 32)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	hs := jwt.SigningMethodHS256
	own := func(c jwt.MapClaims) string { return sign(t, hs, key, nil, c) }
	headed := func(h map[string]any) string { return sign(t, hs, key, h, goodClaims()) }
	good := own(goodClaims())
	parts := strings.Split(good, ".")
	unsigned := sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, goodClaims())
	noneHeader := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT","kid":"k1"}`))
	at := func(d time.Duration) int64 { return testNow.Add(d).Unix() }
	const second = time.Second

	for _, c := range []struct {
		name string
		raw  string
		want error
	}{
		{"good", good, nil},
		{"without e-mail", own(with(jwt.MapClaims{"email": nil})), nil},
		{"one audience of several", own(with(jwt.MapClaims{"aud": []string{"other", audience}})), nil},
		{"expired within the leeway", own(with(jwt.MapClaims{"exp": at(-Leeway + second)})), nil},
		{"issued by a clock ahead within the leeway", own(with(jwt.MapClaims{"iat": at(Leeway)})), nil},

		{"expired", own(with(jwt.MapClaims{"exp": at(-Leeway)})), ErrExpired},
		{"expired and forged", sign(t, hs, bytes.Repeat([]byte("y"), 32), nil, with(jwt.MapClaims{"exp": at(-time.Hour)})), ErrInvalid},
		{"expired and for others", own(with(jwt.MapClaims{"exp": at(-time.Hour), "aud": "other"})), ErrInvalid},
		{"expired and without jti", own(with(jwt.MapClaims{"exp": at(-time.Hour), "jti": nil})), ErrInvalid},

		{"alg none, no signature", unsigned, ErrInvalid},
		{"alg none, genuine signature", noneHeader + "." + parts[1] + "." + parts[2], ErrInvalid},
		{"HS384 with the same key", sign(t, jwt.SigningMethodHS384, key, nil, goodClaims()), ErrInvalid},
		{"HS512 with the same key", sign(t, jwt.SigningMethodHS512, key, nil, goodClaims()), ErrInvalid},
		{"RS256", sign(t, jwt.SigningMethodRS256, rsaKey, nil, goodClaims()), ErrInvalid},
		{"another key", sign(t, hs, bytes.Repeat([]byte("y"), 32), nil, goodClaims()), ErrInvalid},
		{"the empty key", sign(t, hs, []byte{}, nil, goodClaims()), ErrInvalid},
		{"unknown kid", headed(map[string]any{"kid": "k2"}), ErrInvalid},
		{"no kid", headed(map[string]any{"kid": nil}), ErrInvalid},
		{"kid is a number", headed(map[string]any{"kid": 1}), ErrInvalid},
		{"critical extension", headed(map[string]any{"crit": []string{"x"}}), ErrInvalid},

		{"no exp", own(with(jwt.MapClaims{"exp": nil})), ErrInvalid},
		{"no iat", own(with(jwt.MapClaims{"iat": nil})), ErrInvalid},
		{"no iss", own(with(jwt.MapClaims{"iss": nil})), ErrInvalid},
		{"no aud", own(with(jwt.MapClaims{"aud": nil})), ErrInvalid},
		{"no sub", own(with(jwt.MapClaims{"sub": nil})), ErrInvalid},
		{"no jti", own(with(jwt.MapClaims{"jti": nil})), ErrInvalid},
		{"empty sub", own(with(jwt.MapClaims{"sub": ""})), ErrInvalid},
		{"empty jti", own(with(jwt.MapClaims{"jti": ""})), ErrInvalid},
		{"wrong iss", own(with(jwt.MapClaims{"iss": "other"})), ErrInvalid},
		{"wrong aud", own(with(jwt.MapClaims{"aud": "other"})), ErrInvalid},
		{"issued in the future", own(with(jwt.MapClaims{"iat": at(Leeway + second)})), ErrInvalid},
		{"not valid yet", own(with(jwt.MapClaims{"nbf": at(Leeway + second)})), ErrInvalid},
		{"exp is a text", own(with(jwt.MapClaims{"exp": "tomorrow"})), ErrInvalid},
		{"sub is a number", own(with(jwt.MapClaims{"sub": 7})), ErrInvalid},

		{"empty", "", ErrInvalid},
		{"two parts", parts[0] + "." + parts[1], ErrInvalid},
		{"four parts", good + ".x", ErrInvalid},
		{"a space behind", good + " ", ErrInvalid},
		{"a line break within the signature", good[:len(good)-4] + "\n" + good[len(good)-4:], ErrInvalid},
		{"a padded signature", good + "=", ErrInvalid},
		{"another spelling of the signature", respell(good), ErrInvalid},
		{"claims exchanged", parts[0] + "." + strings.Split(own(with(jwt.MapClaims{"sub": "admin"})), ".")[1] + "." + parts[2], ErrInvalid},
		{"huge", own(with(jwt.MapClaims{"email": strings.Repeat("e", maxBytes)})), ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims, err := mustKeys(t, testKeys).Verify(c.raw, testNow)
			if !errors.Is(err, c.want) {
				t.Fatalf("Verify: %v, want %v", err, c.want)
			}
			if c.want == nil && claims.Subject != "user" {
				t.Errorf("subject %q", claims.Subject)
			}
			if c.want != nil && claims != (Claims{}) {
				t.Errorf("claims %+v came with an error", claims)
			}
		})
	}
}

// The parser quotes some claims in its errors. A case that relies on this checks that it
// does.
func TestErrorsContainNoToken(t *testing.T) {
	const mark = "secretmark"
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	headerOf := func(alg string) string { return encode(`{"alg":"` + alg + `","kid":"` + mark + `"}`) }
	for _, c := range []struct {
		name, raw string
		quoted    bool // by the parser
	}{
		{"not a token", "{" + mark, false},
		{"too long", strings.Repeat(mark, maxBytes), false},
		{"one part", mark, false},
		{"not JSON", encode(mark) + "." + encode(mark) + "." + encode(mark), false},
		{"unknown algorithm", headerOf(mark) + "." + encode("{}") + ".", false},
		{"exp is a text", headerOf("HS256") + "." + encode(`{"exp":"`+mark+`"}`) + ".", true},
		{"unknown kid", headerOf("HS256") + "." + encode("{}") + "." + encode(mark), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := jwt.NewParser().ParseUnverified(c.raw, &payload{}); c.quoted && !strings.Contains(fmt.Sprint(err), mark) {
				t.Fatalf("the parser does not quote the token: %v", err)
			}
			_, err := mustKeys(t, testKeys).Verify(c.raw, testNow)
			if err == nil {
				t.Fatal("verified")
			}
			for _, text := range []string{mark, encode(mark)} {
				if strings.Contains(err.Error(), text) {
					t.Errorf("the error contains the token: %.200v", err)
				}
			}
		})
	}
}

// For any input Verify does not panic and returns one of its two errors, or accepts
// exactly what was signed.
func FuzzVerify(f *testing.F) {
	key := bytes.Repeat([]byte("x"), 32)
	good := sign(f, jwt.SigningMethodHS256, key, nil, goodClaims())
	f.Add(good)
	f.Add(good + "=")
	f.Add(good[:len(good)-1])
	f.Add(good[:20] + "\n" + good[20:])
	f.Add(sign(f, jwt.SigningMethodHS256, key, nil, with(jwt.MapClaims{"exp": 0})))
	f.Add(sign(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, goodClaims()))
	f.Add("..")
	f.Add("")
	k := mustKeys(f, testKeys)
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := k.Verify(raw, testNow)
		switch {
		case err == nil && raw != good:
			t.Errorf("accepted %q", raw)
		case err == nil && c.Subject != "user":
			t.Errorf("claims %+v", c)
		case err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired):
			t.Errorf("neither ErrExpired nor ErrInvalid: %v", err)
		}
	})
}
