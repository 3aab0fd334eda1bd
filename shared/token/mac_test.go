package token

import (
	"encoding/hex"
	"testing"
)

func TestMAC(t *testing.T) {
	oldKey, newKey := "old:"+encodedKey('o', 32), "new:"+encodedKey('n', 32)
	mac := mustKeys(t, oldKey).MAC("purpose", "message")
	for _, c := range []struct {
		name, keys, purpose, message string
		mac                          []byte
		want                         bool
	}{
		{"the same", oldKey, "purpose", "message", mac, true},
		{"another key is first", newKey + "," + oldKey, "purpose", "message", mac, true},
		{"the key was removed", newKey, "purpose", "message", mac, false},
		{"another purpose", oldKey, "purpos", "message", mac, false},
		{"another message", oldKey, "purpose", "messages", mac, false},
		{"the boundary moved", oldKey, "purposem", "essage", mac, false},
		{"truncated", oldKey, "purpose", "message", mac[:16], false},
		{"empty", oldKey, "purpose", "message", nil, false},
	} {
		if got := mustKeys(t, c.keys).CheckMAC(c.purpose, c.message, c.mac); got != c.want {
			t.Errorf("%s: CheckMAC = %v, want %v", c.name, got, c.want)
		}
	}
	if (Keys{}).CheckMAC("purpose", "message", mac) {
		t.Error("zero Keys accepted a MAC")
	}
	// printf 'purpose\0message' | openssl dgst -sha256 -hmac oooooooooooooooooooooooooooooooo
	const want = "b9adac487df4412d3704b5ca467377b57cbcc480695e582e324fe488f07b0667"
	if got := hex.EncodeToString(mac); got != want {
		t.Errorf("MAC %s, want %s", got, want)
	}
}
