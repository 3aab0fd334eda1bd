package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

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
// Read file to its end, then call finish to read and check the rest.
type uploadBody struct {
	name   string
	file   io.Reader
	fields url.Values // of the query and the form; complete after finish
	finish func() error
}

// openBody reads the request up to the file, and rejects files that are not
// videos. It buffers only the first bytes of the file.
func (g *Gateway) openBody(w http.ResponseWriter, r *http.Request) (uploadBody, error) {
	reader := requestErrorReader{&pacedReader{
		body:    http.MaxBytesReader(w, r.Body, g.config.MaxUpload+formOverhead),
		control: http.NewResponseController(w),
		pace:    g.newPace(),
	}}
	fields := r.URL.Query()
	var b uploadBody
	var err error
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case kind == "multipart/form-data":
		b, err = openForm(reader, params["boundary"], fields)
	case isRawType(kind):
		b = uploadBody{name: fields.Get("name"), file: reader, finish: func() error { return nil }}
	default:
		err = problem.UnsupportedMediaType.WithDetail("Content-Type %.80q is not accepted.", kind)
	}
	if err != nil {
		return uploadBody{}, uploadProblem(err)
	}
	// Reject bad options that came before the file without reading the file.
	b.fields = fields
	if _, err := parseOptions(fields); err != nil {
		return uploadBody{}, err
	}
	b.name = CleanName(b.name)
	b.file, err = sniff(requestErrorReader{b.file})
	if err != nil {
		return uploadBody{}, uploadProblem(err)
	}
	b.file = &limitedReader{r: b.file, left: g.config.MaxUpload, limit: g.config.MaxUpload}
	return b, nil
}

// isRawType reports whether a body of this media type is the file itself. That
// includes curl's default for --data-binary, application/x-www-form-urlencoded.
func isRawType(kind string) bool {
	return kind == "" || kind == "application/octet-stream" || kind == "application/x-www-form-urlencoded" ||
		strings.HasPrefix(kind, "video/") || strings.HasPrefix(kind, "audio/")
}

// openForm reads the fields of a form up to the first file.
func openForm(r io.Reader, boundary string, fields url.Values) (uploadBody, error) {
	if boundary == "" {
		return uploadBody{}, problem.BadRequest.WithDetail("The Content-Type has no boundary.")
	}
	form := multipart.NewReader(r, boundary)
	for range maxFields {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return uploadBody{}, problem.NoFile
		case err != nil:
			return uploadBody{}, formError(err)
		case isFile(part):
			return uploadBody{name: part.FileName(), file: part, finish: func() error { return finishForm(form, fields) }}, nil
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
