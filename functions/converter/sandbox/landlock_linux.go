package sandbox

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// libraries are where a program's libraries may be, and what its loader reads
// to find them.
var libraries = []string{
	"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64",
	"/nix/store", "/gnu/store",
}

var loaderFiles = []string{"/etc/ld.so.cache", "/etc/ld.so.preload", "/dev/urandom"}

const (
	read    = ll.AccessFSReadFile
	readDir = ll.AccessFSReadFile | ll.AccessFSReadDir
	execute = ll.AccessFSReadFile | ll.AccessFSExecute
	// own is for the directory to work in: no links, sockets, devices or programs.
	own = readDir | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSRemoveFile |
		ll.AccessFSMakeDir | ll.AccessFSRemoveDir
)

// confine takes away the file system and the network, as far as this kernel's
// Landlock can.
func confine(o order) error {
	rules := []landlock.Rule{
		landlock.PathAccess(execute, o.Program),
		landlock.PathAccess(readDir, append(libraries, filepath.Join(filepath.Dir(o.Program), "../lib"))...).IgnoreIfMissing(),
		landlock.PathAccess(read, loaderFiles...).IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
	}
	if loader := loaderOf(o.Program); loader != "" {
		rules = append(rules, landlock.PathAccess(execute, loader).IgnoreIfMissing())
	}
	if o.Dir != "" {
		rules = append(rules, landlock.PathAccess(own, o.Dir))
	}
	for fd := 3; fd < 3+o.Files; fd++ {
		// A program opens its input anew, by the name of the descriptor.
		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); err == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG {
			rules = append(rules, landlock.PathAccess(read, fmt.Sprintf("/proc/self/fd/%d", fd)))
		}
	}
	if o.Port != 0 {
		rules = append(rules, landlock.ConnectTCP(o.Port))
	}
	if err := landlock.V10.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// loaderOf returns what the kernel executes first to run the program: the
// dynamic loader, or nothing if the program needs none.
func loaderOf(program string) string {
	f, err := elf.Open(program)
	if err != nil {
		return ""
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			name, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
			if err == nil {
				return strings.TrimRight(string(name), "\x00")
			}
		}
	}
	return ""
}

func describe() string {
	layers := []string{"process group", "resource limits", "no new privileges", "no capabilities"}
	if version, err := ll.LandlockGetABIVersion(); err == nil {
		layers = append(layers, fmt.Sprintf("Landlock %d", version))
	}
	if filterable() {
		layers = append(layers, "system call filter")
	}
	if os.Geteuid() == 0 {
		layers = append(layers, "but as root")
	}
	return strings.Join(layers, ", ")
}
