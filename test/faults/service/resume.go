package service

import (
	"bytes"
	"context"

	"mp3converter/shared/client"
	"mp3converter/shared/id"
)

// MustResume uploads a video in two parts, as often as it takes. It continues an upload
// that was interrupted, and notes the job in the ledger when the upload is complete.
func (u *User) MustResume(ctx context.Context, l *Ledger) (jobID string, err error) {
	upload := client.Resumable{
		Client: &u.Client, Video: client.Video{Name: "short.mp4", Key: id.New()},
		File: bytes.NewReader(u.video), Size: int64(len(u.video)), PartSize: int64(len(u.video)/2 + 1),
	}
	err = retry(ctx, func(ctx context.Context) (err error) {
		jobID, err = upload.Run(ctx)
		return err
	})
	if err == nil {
		l.Accept(jobID, Good)
	}
	return jobID, err
}
