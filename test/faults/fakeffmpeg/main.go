// Command fakeffmpeg is an ffmpeg that is broken in the way that its file name says:
// hung, killed or rubbish.
package main

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	switch filepath.Base(program) {
	case "hung":
		time.Sleep(time.Hour)
	case "killed":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "rubbish":
		// The last argument is the file to write.
		if err := os.WriteFile(os.Args[len(os.Args)-1], make([]byte, 100_000), 0o600); err != nil {
			panic(err)
		}
	}
}
