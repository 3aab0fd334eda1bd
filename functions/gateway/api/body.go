package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"

	"mp3converter/functions/gateway/idempotency"
	"mp3converter/shared/jobs"
	"mp3converter/shared/problem"
)

const (
	// formOverhead is how many bytes a form may have in addition to its file.
	formOverhead = 1 << 20
	// maxFields is how many fields a form may have before its file, and how many after.
	maxFields = 64
	// maxFieldSize is the maximum size of a field's value in bytes.
	maxFieldSize = 4 << 10
)

// uploadBody is the body of an upload request whose file has not been read yet.
type uploadBody struct {
	name   string
	file   io.Reader
	fields url.Values // of the query and the form; complete after finish
	finish func() error
	sum    hash.Hash // of what has been read of the file; nil without an idempotency key
}

// openBody reads the request up to the file, and rejects bad options and files that are
// not videos. It buffers only the first bytes of the file.
func (g *Gateway) openBody(w http.ResponseWriter, r *http.Request, h uploadHead) (uploadBody, error) {
	reader := requestErrorReader{&pacedReader{
		body:    http.MaxBytesReader(w, r.Body, g.config.MaxUpload+formOverhead),
		control: http.NewResponseController(w),
		pace:    g.newPace(),
	}}
	b := uploadBody{name: h.query.Get("name"), file: reader, finish: func() error { return nil }, fields: h.query}
	var err error
	if h.form {
		if b, err = openForm(reader, h.boundary, maps.Clone(h.query)); err != nil {
			return uploadBody{}, uploadProblem(err)
		}
		if err := g.applyFields(r.Context(), b.fields, &jobs.Job{Owner: h.user.Subject}); err != nil {
			return uploadBody{}, err
		}
	}
	b.name = CleanName(b.name)
	b.file, err = sniff(requestErrorReader{b.file})
	if err != nil {
		return uploadBody{}, uploadProblem(err)
	}
	b.file = &limitedReader{r: b.file, left: g.config.MaxUpload, limit: g.config.MaxUpload}
	if h.key != "" {
		b.sum = sha256.New()
		b.file = io.TeeReader(b.file, b.sum)
	}
	return b, nil
}

// completeBody reads what follows the file, which has been read, and records the name and the
// fields in the job of j.Owner.
func (g *Gateway) completeBody(ctx context.Context, b uploadBody, j *jobs.Job) error {
	if err := b.finish(); err != nil {
		return err
	}
	if err := g.applyFields(ctx, b.fields, j); err != nil {
		return afterFile(err)
	}
	j.Name = b.name
	if b.sum != nil {
		j.BodyDigest = idempotency.Digest(parameters(b.name, b.fields), b.sum.Sum(nil))
	}
	return nil
}

// openForm reads the fields of a form up to the first file.
func openForm(r io.Reader, boundary string, fields url.Values) (uploadBody, error) {
	form := multipart.NewReader(r, boundary)
	for range maxFields {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return uploadBody{}, problem.NoFile
		case err != nil:
			return uploadBody{}, formError(err)
		case isFile(part):
			return uploadBody{name: part.FileName(), file: part, fields: fields, finish: func() error { return finishForm(form, fields) }}, nil
		}
		if err := readField(part, fields); err != nil {
			return uploadBody{}, err
		}
	}
	return uploadBody{}, problem.BadRequest.WithDetail("The form has too many fields.")
}

// finishForm reads the fields after the file.
func finishForm(form *multipart.Reader, fields url.Values) error {
	for range maxFields {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return formError(err)
		case isFile(part):
			return problem.TooManyFiles
		}
		if err := readField(part, fields); err != nil {
			return err
		}
	}
	return problem.BadRequest.WithDetail("The form has too many fields.")
}

// isFile reports whether a part has a file name, as browsers and curl give to
// files but not to fields.
func isFile(p *multipart.Part) bool {
	_, params, _ := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	_, ok := params["filename"]
	return ok
}

func readField(p *multipart.Part, fields url.Values) error {
	value, err := io.ReadAll(io.LimitReader(p, maxFieldSize+1))
	switch {
	case err != nil:
		return formError(err)
	case len(value) > maxFieldSize:
		return problem.BadRequest.WithDetail("The field %.40q is too long.", p.FormName())
	}
	fields.Add(p.FormName(), string(value))
	return nil
}

func formError(err error) error {
	if errors.Is(err, errRequestBody) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the form is truncated", errRequestBody)
	}
	return problem.BadRequest.WithDetail("The form is malformed.")
}
