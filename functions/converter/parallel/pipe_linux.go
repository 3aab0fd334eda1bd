package parallel

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeSize is what Linux lets everyone have. With its default, 64 KiB, an hour
// of PCM means a million switches between the processes that pass it on.
const pipeSize = 1 << 20

// block makes writes to a pipe wait in the kernel. The runtime would otherwise wait
// for it, and be woken for every 32 KiB that ffmpeg reads.
func block(pipe any) {
	if f, ok := pipe.(*os.File); ok {
		f.Fd() // which says so, on Unix
	}
}

// widen makes a pipe hold more. What is not a pipe, or may not, stays as it is.
func widen(pipe any) {
	conn, ok := pipe.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
}
