package parallel

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeSize is the most that Linux grants to unprivileged users by default. With the
// usual 64 KiB, an hour of PCM costs a million context switches.
const pipeSize = 1 << 20

// setBlocking makes writes to a pipe block in the kernel. Otherwise Go's poller wakes
// this process for every 32 KiB that ffmpeg reads.
func setBlocking(pipe any) {
	if f, ok := pipe.(*os.File); ok {
		f.Fd() // on Unix, this sets the descriptor to blocking mode
	}
}

// enlargePipe sets the capacity of a pipe to pipeSize. It does nothing if the argument
// is not a pipe or the kernel refuses.
func enlargePipe(pipe any) {
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
