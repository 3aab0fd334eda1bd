package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// DefaultPartSize is the size of one request of a resumable upload, in bytes. A request
// that proxies end after ten minutes still succeeds at 0.5 Mbit/s.
const DefaultPartSize = 32 << 20

// Resumable is an upload by tus 1.0 (https://tus.io). It goes on where it was
// interrupted, also in another process. It is for one upload; Run can be called again after an
// error.
type Resumable struct {
	Client *Client
	Video
	File io.ReaderAt // must not change until the upload is complete
	Size int64       // bytes

	// ID identifies the upload on the server. It is also the ID of the job. "" creates
	// a new upload. So does an upload that the server no longer has.
	ID string
	// Created is called with the ID of a new upload, so that it can be saved. It may be
	// nil. An error ends the upload.
	Created func(id string) error
	// Resumed is called if the upload goes on behind the beginning, with the number of
	// bytes that the server has. It may be nil.
	Resumed func(offset int64)
	// Progress is called with the number of bytes sent. It decreases after a lost
	// connection. It may be nil.
	Progress func(offset int64)
	PartSize int64 // bytes; 0 means DefaultPartSize

	sent atomic.Int64
}

// ErrFileTooShort means that the file ends before Resumable.Size.
var ErrFileTooShort = errors.New("the file ends before its announced size")

// errMoved means that the server has another part of the file than the client assumed.
var errMoved = errors.New("the upload has another offset")

// errGone means that the server does not know the upload.
var errGone = errors.New("the upload has expired")

// Run sends what the server does not have, and returns the ID of the job. It repeats
// requests for at most Client.RetryFor after the last progress.
func (u *Resumable) Run(ctx context.Context) (jobID string, err error) {
	retries, restarted, stored := u.Client.newRetries(), false, int64(0)
	for {
		offset, err := u.open(ctx)
		for err == nil {
			if offset > stored {
				stored = offset
				retries.progress()
			}
			if offset == u.Size {
				return u.ID, nil
			}
			offset, err = u.sendPart(ctx, offset)
		}
		if errors.Is(err, errGone) && !restarted {
			restarted, stored, u.ID = true, 0, ""
			if u.Key != "" {
				u.Key += "-again" // the server may still know the other one
			}
			continue
		}
		if err = retries.pause(ctx, err); err != nil {
			return "", err
		}
	}
}

// Sent returns how many bytes of the file have been sent, including those that were lost.
func (u *Resumable) Sent() int64 { return u.sent.Load() }

// open returns the offset of the upload, which it creates first if there is none.
func (u *Resumable) open(ctx context.Context) (offset int64, err error) {
	if u.ID == "" {
		return 0, u.create(ctx)
	}
	offset, err = u.offset(ctx)
	if err == nil && offset > 0 && u.Resumed != nil {
		u.Resumed(offset)
	}
	return offset, err
}

func (u *Resumable) create(ctx context.Context) error {
	header := tusHeader()
	header.Set("Upload-Length", strconv.FormatInt(u.Size, 10))
	header.Set("Upload-Metadata", u.metadata())
	maps.Copy(header, u.keyHeader())
	var location string
	err := u.Client.send(ctx, request{method: http.MethodPost, path: "/uploads", header: header, accept: success, read: func(a *answer) error {
		location = a.Header.Get("Location")
		return nil
	}})
	if err != nil {
		return err
	}
	// Only the ID, because a URL could name another server, which must not get the token.
	parsed, err := url.Parse(location)
	if err != nil || path.Base(parsed.Path) == "uploads" || len(path.Base(parsed.Path)) < 8 {
		return fmt.Errorf("POST /uploads: unexpected Location %.100q", location)
	}
	u.ID = path.Base(parsed.Path)
	if u.Created != nil {
		return u.Created(u.ID)
	}
	return nil
}

// metadata returns the Upload-Metadata header.
func (u *Resumable) metadata() string {
	encode := base64.StdEncoding.EncodeToString
	list := []string{"filename " + encode([]byte(u.Name))}
	for _, name := range slices.Sorted(maps.Keys(u.Options)) {
		list = append(list, name+" "+encode([]byte(u.Options[name])))
	}
	return strings.Join(list, ",")
}

// offset asks the server how much it has.
func (u *Resumable) offset(ctx context.Context) (offset int64, err error) {
	err = u.Client.send(ctx, request{method: http.MethodHead, path: u.path(), header: tusHeader(), accept: success, read: func(a *answer) error {
		offset, err = u.parseOffset(a.Header)
		return err
	}})
	if code := StatusCode(err); code != http.StatusNotFound && code != http.StatusGone {
		return offset, err
	}
	// A complete upload is a job.
	if _, err := u.Client.Job(ctx, u.ID); StatusCode(err) == http.StatusNotFound {
		return 0, errGone
	} else if err != nil {
		return 0, err
	}
	return u.Size, nil
}

// sendPart sends the next part and returns the new offset. After an error the offset is
// the old one.
func (u *Resumable) sendPart(ctx context.Context, offset int64) (int64, error) {
	size := u.PartSize
	if size == 0 {
		size = DefaultPartSize
	}
	size = min(size, u.Size-offset)
	header := tusHeader()
	header.Set("Upload-Offset", strconv.FormatInt(offset, 10))
	header.Set("Content-Type", "application/offset+octet-stream")
	next := offset
	err := u.Client.send(ctx, request{method: http.MethodPatch, path: u.path(), header: header, accept: success,
		body: &partReader{upload: u, part: io.NewSectionReader(u.File, offset, size), offset: offset}, length: size,
		read: func(a *answer) (err error) {
			next, err = u.parseOffset(a.Header)
			return err
		}})
	switch {
	case StatusCode(err) == http.StatusConflict:
		err = errMoved
	case StatusCode(err) == http.StatusNotFound, StatusCode(err) == http.StatusGone:
		err = errMoved // open finds out whether it has expired
	case err == nil && next <= offset:
		err = errMoved
	}
	if err != nil {
		next = offset
	}
	return next, err
}

func (u *Resumable) parseOffset(h http.Header) (int64, error) {
	offset, err := strconv.ParseInt(h.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 || offset > u.Size {
		return 0, fmt.Errorf("the server answered Upload-Offset %.40q for a file of %d bytes", h.Get("Upload-Offset"), u.Size)
	}
	return offset, nil
}

func (u *Resumable) path() string { return "/uploads/" + url.PathEscape(u.ID) }

func tusHeader() http.Header { return http.Header{"Tus-Resumable": {"1.0.0"}} }

// partReader counts what is read of a part.
type partReader struct {
	upload *Resumable
	part   *io.SectionReader
	offset int64
}

func (r *partReader) Read(b []byte) (int, error) {
	n, err := r.part.Read(b)
	r.offset += int64(n)
	r.upload.sent.Add(int64(n))
	if n > 0 && r.upload.Progress != nil {
		r.upload.Progress(r.offset)
	}
	if read, _ := r.part.Seek(0, io.SeekCurrent); err == io.EOF && read < r.part.Size() {
		err = ErrFileTooShort
	}
	return n, err
}
