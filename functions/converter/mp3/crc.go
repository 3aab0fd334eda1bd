package mp3

// crcTable drives the CRC-16 that the LAME header uses for itself and for the
// music: polynomial x^16+x^15+x^2+1, reflected, starting at zero.
var crcTable = func() (t [256]uint16) {
	for i := range t {
		c := uint16(i)
		for range 8 {
			if c&1 == 1 {
				c = c>>1 ^ 0xa001
			} else {
				c >>= 1
			}
		}
		t[i] = c
	}
	return t
}()

// UpdateCRC continues a checksum over b; the first call passes zero.
func UpdateCRC(crc uint16, b []byte) uint16 {
	for _, x := range b {
		crc = crc>>8 ^ crcTable[byte(crc)^x]
	}
	return crc
}
