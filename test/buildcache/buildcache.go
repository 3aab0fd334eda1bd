// Package buildcache builds programs of the other modules in this repository, which tests
// run as processes. The programs are kept in the user's cache.
package buildcache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Build returns the path of the program name, the main package pkg of the module in dir,
// relative to the root of the repository. It builds the program if it is not in the cache,
// which takes a minute or more. The module may have Go files in dir only.
func Build(name, dir, pkg string, flags ...string) (string, error) {
	source, err := sourceDir(dir)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "mp3converter")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	version, err := fingerprint(source)
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, name+"-"+version)

	// Tests of several packages run at the same time: one builds, the others wait.
	unlock, err := lock(filepath.Join(cache, name+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o=" + path + ".part"}, flags...), pkg)...)
	cmd.Dir = source
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s in %s: %w\n%s", name, source, err, out)
	}
	return path, os.Rename(path+".part", path)
}

// sourceDir returns the path of a directory of the repository.
func sourceDir(dir string) (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	dir = filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), filepath.FromSlash(dir))
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return dir, nil
}

// fingerprint returns a hash of the program's sources, the Go version and the
// platform.
func fingerprint(source string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return "", err
	}
	for _, name := range append(files, filepath.Join(source, "go.mod"), filepath.Join(source, "go.sum")) {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(name), len(text), bytes.TrimSpace(text))
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

// lock takes an exclusive lock on a file, and waits while another process holds it.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
