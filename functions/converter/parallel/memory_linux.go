package parallel

import "syscall"

// allocate returns memory for PCM outside of the Go heap. On the heap, hundreds of
// megabytes of buffers would let the garbage collector tolerate as much garbage.
func allocate(size int) ([]byte, error) {
	return syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

// release frees memory from allocate. It must not be in use.
func release(b []byte) { _ = syscall.Munmap(b) }
