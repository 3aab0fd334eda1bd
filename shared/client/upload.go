package client

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
)

// Video describes a video to upload.
type Video struct {
	Name string // of the file
	// Options are the conversion options and the tag, by the names of the API.
	Options map[string]string
	// Key, if it is not empty, identifies the upload: of several uploads with one key the
	// service accepts one.
	Key string
}

// keyHeader is the header with Video.Key.
const keyHeader = "Idempotency-Key"

// Upload sends a video as the raw request body and returns its job.
func (c *Client) Upload(ctx context.Context, name string, body io.Reader) (Job, error) {
	return c.UploadVideo(ctx, Video{Name: name}, body)
}

// UploadVideo is Upload with options. It is not repeated, because body can be read once
// only. See Resumable for large files and bad networks.
func (c *Client) UploadVideo(ctx context.Context, v Video, body io.Reader) (Job, error) {
	query := url.Values{"name": {v.Name}}
	for name, value := range v.Options {
		query.Set(name, value)
	}
	header := http.Header{"Content-Type": {"video/mp4"}}
	maps.Copy(header, v.keyHeader())
	var j Job
	err := c.send(ctx, request{method: http.MethodPost, path: "/upload?" + query.Encode(), header: header, body: body,
		accept: status(http.StatusAccepted), read: decode(&j)})
	if err == nil && j.ID == "" {
		err = errors.New("POST /upload returned no job id")
	}
	return j, err
}

func (v Video) keyHeader() http.Header {
	if v.Key == "" {
		return nil
	}
	return http.Header{keyHeader: {v.Key}}
}
