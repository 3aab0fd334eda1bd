package sandbox

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

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
	read    = unix.LANDLOCK_ACCESS_FS_READ_FILE
	readDir = read | unix.LANDLOCK_ACCESS_FS_READ_DIR
	execute = read | unix.LANDLOCK_ACCESS_FS_EXECUTE
	write   = read | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	own     = readDir | write | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
)

// confine takes away the file system and the network, as far as this kernel's
// Landlock can.
func confine(o order) error {
	version := landlockVersion()
	if version == 0 {
		return nil
	}
	r, err := newRuleset(rightsOf(version))
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	defer r.close()
	if err := errors.Join(r.allowProgram(o.Program), r.allowWork(o)); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if err := r.enforce(); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// allowProgram is what it takes to start the program.
func (r ruleset) allowProgram(path string) error {
	err := errors.Join(
		r.allow(execute, path),
		r.allowIfThere(readDir, libraries...),
		r.allowIfThere(readDir, filepath.Join(filepath.Dir(path), "../lib")),
		r.allowIfThere(read, loaderFiles...),
		r.allowIfThere(write, "/dev/null"))
	if loader := loaderOf(path); loader != "" {
		err = errors.Join(err, r.allowIfThere(execute, loader))
	}
	return err
}

// allowWork is what the program works with.
func (r ruleset) allowWork(o order) error {
	var errs []error
	if o.Dir != "" {
		errs = append(errs, r.allow(own, o.Dir))
	}
	for fd := 3; fd < 3+o.Files; fd++ {
		// A program opens its input anew, by the name of the descriptor.
		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); err == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG {
			errs = append(errs, r.allow(read, fmt.Sprintf("/proc/self/fd/%d", fd)))
		}
	}
	if o.Port != 0 {
		errs = append(errs, r.allowConnect(o.Port))
	}
	return errors.Join(errs...)
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
	if version := landlockVersion(); version > 0 {
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
