//go:build !linux

package sqlite

import "os"

// Only Linux assigns space to a file without changing its length.

func reserveData(*os.File) {}

func reserveLog(string) {}
