package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// programs take the place of ffmpeg or ffprobe, whose arguments they get. They are
// chosen by the name of the executable: "hang", or "encoder-hang" for a program that
// decodes silence and hangs as an encoder.
var programs = map[string]func(args []string) error{
	"hang": func([]string) error {
		time.Sleep(time.Hour)
		return nil
	},
	"shot": func([]string) error {
		err := syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
		return err
	},
	"terminated": func([]string) error {
		err := syscall.Kill(os.Getpid(), syscall.SIGTERM)
		time.Sleep(time.Hour)
		return err
	},
	"spin": func([]string) error {
		for start := time.Now(); time.Since(start) < time.Hour; {
		}
		return nil
	},
	// Requests its input over and over.
	"circles": func(args []string) error {
		address, path, _ := strings.Cut(strings.TrimPrefix(args[slices.Index(args, "-i")+1], "http://"), "/")
		for {
			c, err := net.Dial("tcp4", address)
			if err != nil {
				return err
			}
			fmt.Fprintf(c, "GET /%s HTTP/1.1\r\nHost: video\r\nRange: bytes=0-0\r\nConnection: close\r\n\r\n", path)
			io.Copy(io.Discard, c)
			c.Close()
		}
	},
	// Reports success without an output.
	"idle": func([]string) error { return nil },
	// Reports success after writing something that is no MP3.
	"rubbish": func(args []string) error { return output(args, bytes.Repeat([]byte("rubbish "), 64<<10)) },
	// Reports success after writing headers of MP3 frames without a Xing header.
	"frames": func(args []string) error {
		frame := append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...)
		return output(args, bytes.Repeat(frame, 1000))
	},
	// Reports success after it could not write the end of its file, as ffmpeg does.
	"diskfull": func(args []string) error {
		fmt.Fprintln(os.Stderr, "Error writing trailer: No space left on device")
		return output(args, nil)
	},
	// Answers as ffprobe does, in 8 MB.
	"verbose": func([]string) error {
		answer := `{"streams": [{"index": 0, "codec_type": "audio", "codec_name": "aac", "sample_rate": "44100", "channels": 2}],
			"format": {"format_name": "mov", "duration": "3"}, "padding": "` + strings.Repeat("x", 8<<20) + `"}`
		_, err := os.Stdout.WriteString(answer)
		return err
	},
	// Fails as ffmpeg does when it gets no more memory.
	"hungry": func([]string) error {
		_, err := os.Stderr.WriteString("video: Cannot allocate memory\n")
		return errors.Join(err, syscall.ENOMEM)
	},
}

// decode does what ffmpeg does before and beside the encoders of a parallel conversion,
// for five minutes of silence. It reports whether the arguments are for that.
func decode(args []string) (bool, error) {
	last := args[len(args)-1]
	switch {
	case strings.HasSuffix(last, "tags.mp3"):
		return true, os.WriteFile(last, []byte("ID3\x03\x00\x00\x00\x00\x00\x00"), 0o600)
	case last == "pipe:1" && !slices.Contains(args, "pipe:0"):
		second := make([]byte, 44100*2*4)
		for range 300 {
			if _, err := os.Stdout.Write(second); err != nil {
				return true, err
			}
		}
		return true, nil
	}
	return false, nil
}

// output writes b to the file that the last argument names, or to standard output.
func output(args []string, b []byte) error {
	path := args[len(args)-1]
	if strings.HasPrefix(path, "pipe:") {
		go io.Copy(io.Discard, os.Stdin)
		_, err := os.Stdout.Write(b)
		return err
	}
	return os.WriteFile(path, b, 0o600)
}
