package resumable

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"mp3converter/shared/id"
	"mp3converter/shared/jobs"
	"mp3converter/shared/logs"
	"mp3converter/shared/media"
	"mp3converter/shared/problem"
	"mp3converter/shared/token"
)

// dataStore is tusd's data store.
type dataStore struct{ *Handler }

var (
	_ tusd.DataStore           = dataStore{}
	_ tusd.TerminaterDataStore = dataStore{}
)

// NewUpload creates the record of an upload. The request holds its lease if it brings the
// first part, too: tusd then locks the upload.
func (s dataStore) NewUpload(ctx context.Context, info tusd.FileInfo) (tusd.Upload, error) {
	q := requestOf(ctx)
	j, err := s.newJob(ctx, q, info.Size)
	if err != nil {
		return nil, q.fail(err)
	}
	holder := ""
	if q.hasPart {
		holder = newHolder()
		q.lock = &lock{Handler: s.Handler, upload: j.ID, holder: holder}
	}
	j.BeginUpload(s.config.Policy, holder, s.deps.Jobs.Now())
	if err := s.create(ctx, j); err != nil {
		return nil, q.fail(err)
	}
	u := upload{s.Handler, q, j, 0}
	// Again, because other uploads may have been created since: nothing limits how many
	// requests without a body run, and no later request checks the quota.
	if err := s.deps.Admit(ctx, j, j.Video.Size); err != nil {
		u.discard(ctx)
		return nil, q.fail(err)
	}
	slog.InfoContext(logs.With(ctx, slog.String("job", j.ID)), "upload created", "bytes", j.Video.Size)
	q.upload = j
	return u, nil
}

func (s dataStore) newJob(ctx context.Context, q *request, size int64) (jobs.Job, error) {
	if size == 0 {
		return jobs.Job{}, problem.EmptyFile
	}
	metadata, err := parseMetadata(q.metadata)
	if err != nil {
		return jobs.Job{}, err
	}
	j, err := s.deps.NewJob(ctx, q.user, metadata)
	if err != nil {
		return jobs.Job{}, err
	}
	if err := s.deps.Admit(ctx, j, size); err != nil {
		return jobs.Job{}, err
	}
	if q.key != "" {
		j.IdempotencyKey, j.BodyDigest = q.key, q.digest(strconv.FormatInt(size, 10))
	}
	j.ID = id.New()
	// The janitor finds the job by the identifier of the incomplete object.
	j.Video = jobs.File{ID: j.ID, Size: size}
	j.Resumable = &jobs.Resumable{Metadata: q.metadata}
	return j, nil
}

// GetUpload returns an upload that the request has locked. If all of its bytes have
// arrived, but whoever received them has died, the upload is finished first.
func (s dataStore) GetUpload(ctx context.Context, _ string) (tusd.Upload, error) {
	q := requestOf(ctx)
	u := upload{s.Handler, q, q.upload, q.upload.Video.Size}
	if u.job.State != jobs.Uploading {
		return u, nil
	}
	var err error
	if u.offset, err = s.deps.Videos.Written(ctx, u.job.Video.ID); err != nil {
		return nil, q.fail(problem.Unavailable.WithCause(err))
	}
	if u.offset == u.job.Video.Size {
		return u, u.FinishUpload(ctx)
	}
	return u, nil
}

func (s dataStore) AsTerminatableUpload(u tusd.Upload) tusd.TerminatableUpload { return u.(upload) }

// Owned returns the record of an upload, or of the job that it has become, if it belongs
// to the user. Otherwise it returns problem.UploadNotFound.
func (h *Handler) Owned(ctx context.Context, user token.Claims, id string) (jobs.Job, error) {
	j, err := h.deps.Jobs.Get(ctx, id)
	switch {
	case errors.Is(err, jobs.ErrNotFound), err == nil && (j.Owner != user.Subject || j.Resumable == nil):
		return jobs.Job{}, problem.UploadNotFound
	case err != nil:
		return jobs.Job{}, problem.Unavailable.WithCause(err)
	}
	return j, nil
}

// object describes the video of an upload.
func object(j jobs.Job) media.Object {
	return media.Object{ID: j.Video.ID, Job: j.ID, Name: j.Name, ContentType: "application/octet-stream", Size: j.Video.Size}
}

// upload is an upload that the request has locked, or the job that it has become.
type upload struct {
	*Handler
	request *request
	job     jobs.Job
	offset  int64 // bytes that were stored when it was locked
}

func (u upload) GetInfo(context.Context) (tusd.FileInfo, error) {
	return tusd.FileInfo{ID: u.job.ID, Size: u.job.Video.Size, Offset: u.offset}, nil
}

// WriteChunk appends a part to the video.
func (u upload) WriteChunk(ctx context.Context, offset int64, part io.Reader) (int64, error) {
	l := u.request.lock
	n, err := u.write(l.ctx, l, offset, part)
	if err != nil && u.request.checksum != nil {
		n = 0 // nothing counts that is not verified
	}
	switch {
	case errors.Is(err, problem.ChecksumMismatch):
		if err := l.truncate(l.ctx, u.job, offset); err != nil {
			slog.WarnContext(ctx, "part with a wrong checksum not deleted; it will be before the next one", "error", err)
		}
	case err == nil:
		l.unverified = nil
	case errors.Is(err, media.ErrConflict), errors.Is(context.Cause(l.ctx), jobs.ErrLeaseLost):
		err = problem.OffsetConflict.WithCause(err)
	}
	return n, u.request.fail(err)
}

func (u upload) write(ctx context.Context, l *lock, offset int64, part io.Reader) (int64, error) {
	if offset == 0 {
		var err error
		if part, err = u.checkHead(ctx, part); err != nil {
			return 0, err
		}
	}
	if sum := u.request.checksum; sum != nil {
		if err := l.markUnverified(ctx, offset); err != nil {
			return 0, err
		}
		part = sum.reader(part)
	}
	return u.deps.Videos.Append(ctx, object(u.job), offset, part)
}

// checkHead deletes an upload whose first part shows that the file is not a video. A first
// part that is too short to tell is accepted, and the file is checked when it is complete.
func (u upload) checkHead(ctx context.Context, part io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(part, 64<<10)
	head, err := buffered.Peek(int(min(HeadSize, u.job.Video.Size)))
	if err != nil {
		return buffered, nil //nolint:nilerr // Append reads the error again
	}
	if err := u.deps.CheckHead(head); err != nil {
		u.discard(ctx)
		return nil, err
	}
	u.request.lock.headChecked = true
	return buffered, nil
}

// discard deletes an upload that cannot become a job. What fails is done when it expires.
func (u upload) discard(ctx context.Context) {
	if err := u.erase(ctx); err != nil {
		slog.WarnContext(ctx, "upload not deleted; the janitor will delete it", "error", err)
	}
}

// erase deletes the video and the record. An upload has no MP3.
func (u upload) erase(ctx context.Context) error {
	return jobs.Erase(context.WithoutCancel(ctx), u.deps.Jobs, u.deps.Videos, u.deps.Videos, u.job)
}

// Terminate deletes an upload at its owner's request.
func (u upload) Terminate(ctx context.Context) error {
	if u.request.upload.State != jobs.Uploading {
		return u.request.fail(problem.UploadComplete)
	}
	if err := u.erase(ctx); err != nil {
		return u.request.fail(problem.Unavailable.WithCause(err))
	}
	return nil
}

// GetReader is not used, because downloads are disabled.
func (u upload) GetReader(context.Context) (io.ReadCloser, error) { return nil, errors.ErrUnsupported }
