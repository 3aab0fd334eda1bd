// Command probe performs one action that a sandbox may block. It exits with 0 if the
// action succeeded, and otherwise prints the error.
package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	var err error
	name, encoder := strings.CutPrefix(filepath.Base(os.Args[0]), "encoder-")
	if program, known := programs[name]; known {
		done := false
		if encoder {
			done, err = decode(os.Args[1:])
		}
		if !done {
			err = program(os.Args[1:])
		}
	} else if action, known := actions[os.Args[1]]; known {
		err = action(os.Args[2:])
	} else {
		err = fmt.Errorf("unknown action %s", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

var actions = map[string]func(args []string) error{
	"nothing": func([]string) error { return nil },
	"read": func(args []string) error {
		_, err := os.ReadFile(args[0])
		return err
	},
	"open": func(args []string) error {
		f, err := os.Open(args[0])
		if err == nil {
			f.Close()
		}
		return err
	},
	// Reads the memory of another process.
	"peek": func(args []string) error {
		pid, _ := strconv.Atoi(args[0])
		var b [8]byte
		local := syscall.Iovec{Base: &b[0], Len: 8}
		remote := [2]uintptr{uintptr(os.Getpagesize()), 8} // not mapped
		_, _, errno := syscall.Syscall6(sysProcessVMReadv, uintptr(pid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
		if errno == syscall.EFAULT {
			return nil // access was granted
		}
		return errno
	},
	// Prints the environment.
	"environment": func([]string) error { return fmt.Errorf("%q", os.Environ()) },
	"list": func(args []string) error {
		_, err := os.ReadDir(args[0])
		return err
	},
	"write":  func(args []string) error { return os.WriteFile(args[0], []byte("x"), 0o600) },
	"remove": func(args []string) error { return os.Remove(args[0]) },
	"fill": func(args []string) error {
		f, err := os.Create(args[0])
		for n := 0; err == nil && n < 1000; n++ {
			_, err = f.Write(make([]byte, 1<<20))
		}
		return err
	},
	"connect": func(args []string) error {
		c, err := net.DialTimeout("tcp4", args[0], 5*time.Second)
		if err == nil {
			c.Close()
		}
		return err
	},
	// Connects by sending the first data, without a call of connect.
	"send": func(args []string) error {
		address, err := netip.ParseAddrPort(args[0])
		if err != nil {
			return err
		}
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		const fastOpen = 0x20000000
		return syscall.Sendto(fd, []byte("x"), fastOpen, &syscall.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()})
	},
	"listen": func([]string) error {
		_, err := net.Listen("tcp4", "127.0.0.1:0")
		return err
	},
	"socket": func(args []string) error {
		family, _ := strconv.Atoi(args[0])
		kind, _ := strconv.Atoi(args[1])
		_, err := syscall.Socket(family, kind, 0)
		return err
	},
	"shell": func([]string) error { return exec.Command("/bin/sh", "-c", "exit 0").Run() },
	"exec": func([]string) error {
		return syscall.Exec("/bin/sh", []string{"sh", "-c", "exit 0"}, nil)
	},
	// Executes a copy of itself.
	"copy": func(args []string) error {
		b, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(args[0], b, 0o700)
		}
		if err != nil {
			return nil // not the action that is tested
		}
		return exec.Command(args[0], "nothing").Run()
	},
	"symlink": func(args []string) error { return os.Symlink("/etc/passwd", args[0]) },
	"core": func([]string) error {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
			return err
		}
		if limit.Max == 0 {
			return fmt.Errorf("no core dumps")
		}
		return nil
	},
	"signal": func(args []string) error {
		pid, _ := strconv.Atoi(args[0])
		return syscall.Kill(pid, 0)
	},
	"memory": func([]string) error {
		_, err := syscall.Mmap(-1, 0, 2<<30, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		return err
	},
	"map": func(args []string) error {
		flags, _ := strconv.Atoi(args[0])
		_, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|flags)
		return err
	},
	"eat": func([]string) error { return eat(syscall.PROT_READ | syscall.PROT_WRITE) },
	// Memory that is no longer writable is not counted as private.
	"eat and protect": func([]string) error { return eat(syscall.PROT_READ) },
	"files": func([]string) error {
		for range 1000 {
			if _, err := syscall.Dup(0); err != nil {
				return err
			}
		}
		return nil
	},
	"spin": func([]string) error {
		for start := time.Now(); time.Since(start) < time.Minute; {
		}
		return nil
	},
	// A raw system call by its number, with zero for all arguments.
	"call": func(args []string) error {
		number, _ := strconv.Atoi(args[0])
		_, _, errno := syscall.Syscall6(uintptr(number), 0, 0, 0, 0, 0, 0)
		if errno == syscall.EPERM {
			return errno
		}
		return nil // the kernel checked the arguments, so the call was allowed
	},
	"capabilities": func([]string) error {
		var header = [2]uint32{0x20080522, 0}
		var sets [6]uint32
		if _, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets)), 0); errno != 0 {
			return errno
		}
		if sets[0]|sets[1]|sets[3]|sets[4] == 0 {
			return fmt.Errorf("none")
		}
		return nil
	},
}

// sysProcessVMReadv is the number of the system call process_vm_readv.
var sysProcessVMReadv = map[string]uintptr{"amd64": 310, "arm64": 270}[runtime.GOARCH]

// eat fills memory, at most 2 GiB, and sets its protection.
func eat(protection int) error {
	const size = 8 << 20
	for range 2 << 30 / size {
		b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return err
		}
		for i := 0; i < size; i += 4096 {
			b[i] = 1
		}
		if err := syscall.Mprotect(b, protection); err != nil {
			return err
		}
	}
	return nil
}
