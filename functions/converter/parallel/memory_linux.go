package parallel

import "syscall"

// allocate returns memory for PCM, outside of the heap: a collector that sees
// hundreds of megabytes lets as much garbage pile up.
func allocate(size int) ([]byte, error) {
	return syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

// release gives it back. Nobody may hold on to it.
func release(b []byte) { _ = syscall.Munmap(b) }
