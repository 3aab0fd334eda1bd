package convert

import (
	"context"
	"errors"
	"net/http"
	"time"

	"mp3converter/shared/client"
	"mp3converter/shared/id"
)

// stallTimeout ends a request on which nothing moves.
const stallTimeout = time.Minute

// remote has a server convert.
type remote struct {
	client  *client.Client
	uploads *uploads
	options map[string]string
	show    *display
}

func newRemote(ctx context.Context, cfg config, show *display) (*remote, error) {
	c, err := connect(ctx, cfg, show)
	if err != nil {
		return nil, err
	}
	return &remote{client: c, uploads: openUploads(c), options: cfg.options, show: show}, nil
}

// convert continues what an earlier run of the same command began.
func (m *remote) convert(ctx context.Context, in *source, out *output, row *row, r *result) error {
	saved, err := m.uploads.open(in, m.options)
	if err != nil {
		return err
	}
	defer saved.close()
	if saved.Job != "" {
		if _, err := m.client.Job(ctx, saved.Job); client.StatusCode(err) == http.StatusNotFound {
			saved.reset() // expired or deleted
		} else if err != nil {
			return err
		}
	}
	if saved.Job == "" {
		if err := m.upload(ctx, in, saved, row, r); err != nil {
			return err
		}
	}
	r.Job = saved.Job
	j, err := m.wait(ctx, saved.Job, row)
	var ended *client.JobError
	if errors.As(err, &ended) {
		saved.remove() // the next run uploads the file again
	}
	if err != nil {
		return err
	}
	r.Missing = j.Source.MissingSeconds
	if err := out.rename(j.Audio.Name); err != nil {
		return err
	}
	if err := m.download(ctx, j, out, row); err != nil {
		return err
	}
	saved.remove()
	return nil
}

// upload sends what the server does not have of the file.
func (m *remote) upload(ctx context.Context, in *source, saved *savedUpload, row *row, r *result) error {
	row.phase("uploading", in.info.Size())
	if saved.Key == "" {
		saved.Key = id.New()
		if err := saved.save(); err != nil {
			return err
		}
	}
	u := &client.Resumable{
		Client: m.client, File: in.file, Size: in.info.Size(), ID: saved.Upload,
		Video:    client.Video{Name: in.name, Options: m.options, Key: saved.Key},
		Created:  func(id string) error { saved.Upload = id; return saved.save() },
		Progress: row.set,
	}
	first := true
	u.Resumed = func(offset int64) {
		if first && saved.Resumed {
			r.ResumedFrom = offset
			m.show.message("%s: the upload continues at %s of %s", in.path, size(offset), size(u.Size))
		}
		first = false
		row.set(offset)
	}
	jobID, err := u.Run(ctx)
	r.Sent = u.Sent()
	if rejected(err) {
		saved.remove()
	}
	if err == nil {
		if err = in.checkUnchanged(); err != nil {
			_ = m.client.Cancel(ctx, jobID) // nobody wants that MP3
		}
	}
	if errors.Is(err, errChanged) || errors.Is(err, client.ErrFileTooShort) {
		saved.remove()
		return errChanged
	}
	if err != nil {
		return err
	}
	saved.Job = jobID
	return saved.save()
}

// rejected reports whether the server does not want the file. A full disk or a redirect is
// not the fault of the file.
func rejected(err error) bool {
	status := client.StatusCode(err)
	return status >= 400 && status < 500 && !client.Temporary(err) && !refused(err)
}

// wait waits until the MP3 is ready.
func (m *remote) wait(ctx context.Context, job string, row *row) (client.Job, error) {
	state := ""
	return m.client.Watch(ctx, job, func(j client.Job) {
		if j.State != state {
			state = j.State
			row.phase(state, 100)
		}
		row.set(int64(j.Progress))
	})
}

// download continues a file that an interrupted run has left beside the MP3.
func (m *remote) download(ctx context.Context, j client.Job, out *output, row *row) error {
	row.phase("downloading", j.Audio.Bytes)
	f, err := out.openPart(j.Audio.ID)
	if err != nil {
		return err
	}
	if err := m.client.DownloadFile(ctx, j, f, row.set); err != nil {
		f.Close()
		return err
	}
	return out.place(f)
}
