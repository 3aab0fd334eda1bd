package convert

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"mp3converter/functions/gateway/api"
	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
)

// outputs are the MP3s of one command. It gives each name to one file only.
type outputs struct {
	dir   string
	force bool

	mu    sync.Mutex
	taken map[string]bool
}

func newOutputs(dir string, force bool) *outputs {
	return &outputs{dir: dir, force: force, taken: map[string]bool{}}
}

// output is the MP3 of one file.
type output struct {
	outputs *outputs
	path    string
	bytes   int64
}

// cleanName returns the name of a file as the service stores it.
func cleanName(path string) string { return api.CleanName(filepath.Base(path)) }

// reserve returns the output for the file of that name, or an error if another file of
// this command has the name already, or a file exists and must not be overwritten.
func (o *outputs) reserve(video string) (*output, error) {
	out := &output{outputs: o}
	return out, out.rename((&jobs.Job{Name: video}).AudioName())
}

// rename changes the name of the MP3. A name that a server sends is only a name: it
// cannot lead to another directory.
func (out *output) rename(name string) error {
	o := out.outputs
	path := filepath.Join(o.dir, api.CleanName(name))
	if path == out.path {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken[path] {
		return &fileError{"output_exists", fmt.Errorf("%s is the MP3 of another file; convert them into different directories", path)}
	}
	switch info, err := os.Lstat(path); {
	case err == nil && info.IsDir():
		return &fileError{"output_exists", fmt.Errorf("%s is a directory", path)}
	case err == nil && !o.force:
		return errExists(path)
	}
	delete(o.taken, out.path)
	o.taken[path], out.path = true, path
	return nil
}

func errExists(path string) error {
	return &fileError{"output_exists", fmt.Errorf("%s exists; use --force to overwrite it", path)}
}

// partPath returns the path of an incomplete MP3, in the directory of the complete one.
func (out *output) partPath(id string) string {
	return filepath.Join(out.outputs.dir, ".mp3converter-"+api.CleanName(id)+".part")
}

// openPart opens what there is of an incomplete MP3, or creates it. It does not follow a
// symbolic link, which in a shared directory may be somebody else's.
func (out *output) openPart(id string) (*os.File, error) {
	return os.OpenFile(out.partPath(id), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o666)
}

// copyFrom creates the MP3 from a reader. Nothing is at its path before it is complete.
func (out *output) copyFrom(r io.Reader) error {
	f, err := os.OpenFile(out.partPath(id.New()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return out.place(f)
}

// place moves a complete file to the path of the MP3, and closes it.
func (out *output) place(f *os.File) error {
	info, err := f.Stat()
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	out.bytes = info.Size()
	if out.outputs.force {
		return os.Rename(f.Name(), out.path)
	}
	// A link never replaces a file, unlike a rename.
	switch err := os.Link(f.Name(), out.path); {
	case err == nil:
		return os.Remove(f.Name())
	case errors.Is(err, fs.ErrExist):
		return errExists(out.path)
	}
	// Some file systems have no links.
	if _, err := os.Lstat(out.path); err == nil {
		return errExists(out.path)
	}
	return os.Rename(f.Name(), out.path)
}
