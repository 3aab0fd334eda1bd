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

// libraryDirs are the directories of shared libraries.
var libraryDirs = []string{
	"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64",
	"/nix/store", "/gnu/store",
}

// loaderFiles are read by the dynamic loader and the C library at startup.
var loaderFiles = []string{"/etc/ld.so.cache", "/etc/ld.so.preload", "/dev/urandom"}

const (
	readFileAccess = ll.AccessFSReadFile
	readDirAccess  = ll.AccessFSReadFile | ll.AccessFSReadDir
	execFileAccess = ll.AccessFSReadFile | ll.AccessFSExecute
	// workDirAccess does not allow creating links, sockets or devices, or executing files.
	workDirAccess = readDirAccess | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSRemoveFile |
		ll.AccessFSMakeDir | ll.AccessFSRemoveDir
)

// restrictFilesystem restricts access to files, and TCP connections, as far as this
// kernel's Landlock can.
func restrictFilesystem(spec execSpec) error {
	rules := []landlock.Rule{
		landlock.PathAccess(execFileAccess, spec.Program),
		landlock.PathAccess(readDirAccess, append(libraryDirs, filepath.Join(filepath.Dir(spec.Program), "../lib"))...).IgnoreIfMissing(),
		landlock.PathAccess(readFileAccess, loaderFiles...).IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
	}
	if loader := dynamicLoader(spec.Program); loader != "" {
		rules = append(rules, landlock.PathAccess(execFileAccess, loader).IgnoreIfMissing())
	}
	if spec.Dir != "" {
		rules = append(rules, landlock.PathAccess(workDirAccess, spec.Dir))
	}
	for fd := 3; fd < 3+spec.ExtraFiles; fd++ {
		// ffmpeg opens its input again, as /dev/fd/N.
		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); err == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG {
			rules = append(rules, landlock.PathAccess(readFileAccess, fmt.Sprintf("/proc/self/fd/%d", fd)))
		}
	}
	if spec.Port != 0 {
		rules = append(rules, landlock.ConnectTCP(spec.Port))
	}
	if err := landlock.V10.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// dynamicLoader returns the path of the program's dynamic loader, or "" if it is
// statically linked.
func dynamicLoader(program string) string {
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

// networkABI is the version of Landlock that has rules for TCP connections, since
// Linux 6.7. Without them a program with a Port could connect to any address.
const networkABI = 4

func missing() []string {
	var layers []string
	switch version, err := ll.LandlockGetABIVersion(); {
	case err != nil:
		layers = append(layers, "Landlock")
	case version < networkABI:
		layers = append(layers, fmt.Sprintf("network rules in Landlock (it has version %d, they are in %d, Linux 6.7)", version, networkABI))
	}
	if !seccompSupported() {
		layers = append(layers, "seccomp filters")
	}
	return layers
}

func describe() string {
	layers := []string{"process group", "resource limits", "no new privileges", "no capabilities"}
	if version, err := ll.LandlockGetABIVersion(); err == nil {
		layers = append(layers, fmt.Sprintf("Landlock %d", version))
		if version < networkABI {
			layers = append(layers, "but no network rules")
		}
	}
	if seccompSupported() {
		layers = append(layers, "system call filter")
	}
	if os.Geteuid() == 0 {
		layers = append(layers, "but as root")
	}
	return strings.Join(layers, ", ")
}
