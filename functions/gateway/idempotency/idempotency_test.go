package idempotency

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mp3converter/shared/problem"
)

func TestKey(t *testing.T) {
	long := strings.Repeat("k", 255)
	for header, want := range map[string]string{
		`"8e03978e-40d5-43dd-bc93-6894a57f9324"`: "8e03978e-40d5-43dd-bc93-6894a57f9324",
		"8e03978e-40d5-43dd-bc93-6894a57f9324":   "8e03978e-40d5-43dd-bc93-6894a57f9324",
		`"a \"b\" \\ c"`:                         `a "b" \ c`,
		`"key";version=1`:                        "key",
		"KG5LxwFBepaKHyUD":                       "KG5LxwFBepaKHyUD",
		"a+b/c==":                                "a+b/c==",
		"a b":                                    "a b",
		"'":                                      "'",
		long:                                     long,
		`"` + long + `"`:                         long,
	} {
		if key, err := Key(http.Header{Header: {header}}); err != nil || key != want {
			t.Errorf("%s: %q, %v; want %q", header, key, err, want)
		}
	}
	if key, err := Key(http.Header{}); err != nil || key != "" {
		t.Errorf("without a key: %q, %v", key, err)
	}
}

func TestBadKey(t *testing.T) {
	long := strings.Repeat("k", 256)
	for name, values := range map[string][]string{
		"empty":             {""},
		"empty string":      {`""`},
		"too long":          {long},
		"long string":       {`"` + long + `"`},
		"unfinished string": {`"abc`},
		"two strings":       {`"abc", "def"`},
		"text after string": {`"abc"def`},
		"control character": {"a\tb"},
		"not ASCII":         {"schlüssel"},
		"twice":             {"a", "a"},
	} {
		var e *problem.Error
		if key, err := Key(http.Header{Header: values}); !errors.As(err, &e) || e.Kind != problem.BadRequest || e.Detail == "" {
			t.Errorf("%s: %q, %v; want %s with a detail", name, key, err, problem.BadRequest.Code)
		}
	}
}

func TestDigest(t *testing.T) {
	file, other := sha256.Sum256([]byte("file")), sha256.Sum256([]byte("other"))
	query, err := url.ParseQuery("title=A&name=a.mp4")
	if err != nil {
		t.Fatal(err)
	}
	reordered, different := url.Values{"name": {"a.mp4"}, "title": {"A"}}, url.Values{"name": {"a.mp4"}, "title": {"B"}}
	d := Digest(query, file[:])
	if d != Digest(reordered, file[:]) || !SameParameters(d, reordered) || !SameFile(d, file[:]) {
		t.Error("an equal request has another digest")
	}
	if d == Digest(different, file[:]) || SameParameters(d, different) {
		t.Error("other parameters have the same digest")
	}
	if d == Digest(query, other[:]) || SameFile(d, other[:]) || d == Digest(query, nil) || SameFile(Digest(query, nil), file[:]) {
		t.Error("another file has the same digest")
	}
}

func TestContentDigest(t *testing.T) {
	sum := sha256.Sum256([]byte("file"))
	item := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	for header, want := range map[string]string{
		item:                          string(sum[:]),
		"sha-512=:YWJj:, " + item:     string(sum[:]),
		"":                            "",
		"sha-512=:YWJj:":              "",
		"sha-256=:YWJj:":              "",
		"sha-256=abc":                 "",
		"sha-256=(:YWJj:)":            "",
		"SHA-256=" + item:             "",
		"sha-256=:not base64 at all:": "",
	} {
		if got := ContentDigest(http.Header{"Content-Digest": {header}}); string(got) != want {
			t.Errorf("%q: %x, want %x", header, got, want)
		}
	}
}
