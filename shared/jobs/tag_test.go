package jobs

import (
	"strings"
	"testing"
)

func TestCheckTag(t *testing.T) {
	for tag, valid := range map[string]bool{
		"":                       true,
		"order 4711":             true,
		"Größe/№ 5 🎵":            true,
		`{"order": 4711}`:        true,
		strings.Repeat("ü", 100): true,
		strings.Repeat("x", 201): false,
		strings.Repeat("ü", 101): false,
		"a\nb":                   false,
		"a\x00":                  false,
		"a\u0085b":               false,
		"a\xff":                  false,
	} {
		if err := CheckTag(tag); (err == nil) != valid {
			t.Errorf("%q: %v, want valid %t", tag, err, valid)
		}
	}
}
