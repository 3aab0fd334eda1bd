package convert

import (
	"errors"
	"fmt"
	"os"
)

// source is a file to convert.
type source struct {
	file *os.File
	path string
	name string // under which it is converted
	info os.FileInfo
}

func openSource(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &fileError{"file_unreadable", err}
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is not a regular file", path)
	case info.Size() == 0:
		err = errors.New("the file is empty")
	default:
		return &source{file: f, path: path, name: cleanName(path), info: info}, nil
	}
	f.Close()
	return nil, &fileError{"file_unreadable", err}
}

var errChanged = &fileError{"file_changed", errors.New("the file has changed while it was uploaded; run the command again")}

// checkUnchanged returns errChanged if somebody has written to the file since it was opened.
func (in *source) checkUnchanged() error {
	info, err := in.file.Stat()
	if err == nil && (info.Size() != in.info.Size() || !info.ModTime().Equal(in.info.ModTime())) {
		err = errChanged
	}
	return err
}
