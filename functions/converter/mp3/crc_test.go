package mp3_test

import (
	"math/rand/v2"
	"testing"

	"mp3converter/functions/converter/mp3"
)

// TestCRC compares with the definition, bit by bit, at every length and split.
func TestCRC(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 40)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	var want uint16
	for n := range len(data) + 1 {
		for split := range n + 1 {
			if got := mp3.UpdateCRC(mp3.UpdateCRC(0, data[:split]), data[split:n]); got != want {
				t.Fatalf("%d bytes, split at %d: %04x, want %04x", n, split, got, want)
			}
		}
		if n == len(data) {
			break
		}
		want ^= uint16(data[n])
		for range 8 {
			carry := want & 1
			want >>= 1
			if carry == 1 {
				want ^= 0xa001
			}
		}
	}
	if got := mp3.UpdateCRC(0, []byte("123456789")); got != 0xbb3d { // the check value of CRC-16/ARC
		t.Errorf("%04x", got)
	}
}
