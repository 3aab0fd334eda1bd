package mp3

// crcTables are the tables of the CRC-16 that the LAME extension uses for itself and for
// the audio (CRC-16/ARC: polynomial x^16+x^15+x^2+1, reflected, initial value zero).
// Table n is for a byte followed by n more bytes.
var crcTables = func() (t [8][256]uint16) {
	for i := range t[0] {
		c := uint16(i)
		for range 8 {
			if c&1 == 1 {
				c = c>>1 ^ 0xa001
			} else {
				c >>= 1
			}
		}
		t[0][i] = c
	}
	for n := 1; n < len(t); n++ {
		for i, c := range t[n-1] {
			t[n][i] = c>>8 ^ t[0][byte(c)]
		}
	}
	return t
}()

// UpdateCRC adds b to a checksum, which starts at zero. It processes eight bytes at a
// time: byte by byte, it would take 1% of the processor time of a conversion.
func UpdateCRC(crc uint16, b []byte) uint16 {
	t := &crcTables
	for ; len(b) >= 8; b = b[8:] {
		crc = t[7][b[0]^byte(crc)] ^ t[6][b[1]^byte(crc>>8)] ^ t[5][b[2]] ^ t[4][b[3]] ^
			t[3][b[4]] ^ t[2][b[5]] ^ t[1][b[6]] ^ t[0][b[7]]
	}
	for _, x := range b {
		crc = crc>>8 ^ t[0][byte(crc)^x]
	}
	return crc
}
