//go:build !linux

package parallel

// Only Linux has pipes of any size.
func widen(any) {}
func block(any) {}
