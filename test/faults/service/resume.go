package service

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"

	"mp3converter/shared/client"
)

// MustResume uploads a video in two parts, as often as it takes. It continues an upload
// that was interrupted, and notes the job in the ledger when the upload is complete.
func (u *User) MustResume(ctx context.Context, l *Ledger) (id string, err error) {
	var address string
	err = retry(ctx, func(ctx context.Context) error {
		resp, err := u.tus(ctx, http.MethodPost, "/uploads", http.Header{"Upload-Length": {strconv.Itoa(len(u.video))}}, nil, http.StatusCreated)
		if err == nil {
			address = resp.Header.Get("Location")
		}
		return err
	})
	if err != nil {
		return "", err
	}
	for offset := 0; offset < len(u.video); {
		err := retry(ctx, func(ctx context.Context) (err error) {
			offset, err = u.sendPart(ctx, address)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	id = path.Base(address)
	l.Accept(id, Good)
	return id, nil
}

// sendPart sends half of the video from where the upload has got to, and returns the new
// offset.
func (u *User) sendPart(ctx context.Context, address string) (int, error) {
	resp, err := u.tus(ctx, http.MethodHead, address, nil, nil, http.StatusOK)
	if err != nil {
		return 0, err
	}
	offset, err := strconv.Atoi(resp.Header.Get("Upload-Offset"))
	if err != nil || offset == len(u.video) {
		return offset, err
	}
	end := min(offset+len(u.video)/2+1, len(u.video))
	header := http.Header{"Upload-Offset": {strconv.Itoa(offset)}, "Content-Type": {"application/offset+octet-stream"}}
	_, err = u.tus(ctx, http.MethodPatch, address, header, bytes.NewReader(u.video[offset:end]), http.StatusNoContent)
	return end, err
}

// tus sends a request of the tus protocol. Responses have no body.
func (u *User) tus(ctx context.Context, method, address string, header http.Header, body io.Reader, want int) (*http.Response, error) {
	if header == nil {
		header = http.Header{}
	}
	header.Set("Tus-Resumable", "1.0.0")
	resp, err := u.Do(ctx, method, address, header, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusLocked || resp.StatusCode == http.StatusConflict {
		return nil, fmt.Errorf("%s %s: %s", method, address, resp.Status) // is repeated
	}
	if resp.StatusCode != want {
		return nil, &client.StatusError{Method: method, Path: address, Status: resp.StatusCode}
	}
	return resp, nil
}
