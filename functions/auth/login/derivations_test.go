package login

import "sync/atomic"

// derivations counts the calls of deriveKey.
var derivations atomic.Int64

func init() {
	original := deriveKey
	deriveKey = func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
		derivations.Add(1)
		return original(password, salt, time, memory, threads, keyLen)
	}
}
