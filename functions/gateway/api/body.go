package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mp3converter/shared/problem"
)

const (
	// formOverhead is how many bytes a form may add to its file.
	formOverhead = 1 << 20
	// maxFields and maxField bound what a form may hold beside the file.
	maxFields = 64
	maxField  = 4 << 10
	// sniffed is how much of the file is looked at before it is stored.
	sniffed = 512
)

// body is an upload in the middle of its arrival. The file is to be read to its
// end, then finish says whether the rest of the request is in order.
type body struct {
	name   string
	file   io.Reader
	fields url.Values // of the address and the form; complete after finish
	finish func() error
}

// open reads as far as the beginning of the file and refuses what cannot be a
// video. Nothing of the file is held but its first bytes.
func (g *Gateway) open(w http.ResponseWriter, r *http.Request) (body, error) {
	arriving := blame{&patient{
		body:    http.MaxBytesReader(w, r.Body, g.Config.MaxUpload+formOverhead),
		control: http.NewResponseController(w),
		stall:   g.Config.Stall,
	}}
	fields := r.URL.Query()
	var b body
	var err error
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case kind == "multipart/form-data":
		b, err = openForm(arriving, params["boundary"], fields)
	case rawType(kind):
		b = body{name: fields.Get("name"), file: arriving, finish: func() error { return nil }}
	default:
		err = problem.UnsupportedMediaType.WithDetail("Content-Type %.80q is not accepted.", kind)
	}
	if err != nil {
		return body{}, uploadProblem(err)
	}
	// What is known by now is refused before the file is read.
	b.fields = fields
	if _, err := parseOptions(fields); err != nil {
		return body{}, err
	}
	b.name = CleanName(b.name)
	b.file, err = checked(blame{b.file}, g.Config.MaxUpload)
	if err != nil {
		return body{}, uploadProblem(err)
	}
	return b, nil
}

// rawType reports whether a body of this type is the file itself. What curl
// sends for --data-binary without a header counts: it says nothing.
func rawType(kind string) bool {
	return kind == "" || kind == "application/octet-stream" || kind == "application/x-www-form-urlencoded" ||
		strings.HasPrefix(kind, "video/") || strings.HasPrefix(kind, "audio/")
}

// openForm reads the fields up to the first part that is a file.
func openForm(r io.Reader, boundary string, fields url.Values) (body, error) {
	if boundary == "" {
		return body{}, problem.BadRequest.WithDetail("The Content-Type names no boundary.")
	}
	form := multipart.NewReader(r, boundary)
	for range maxFields {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return body{}, problem.NoFile
		case err != nil:
			return body{}, formError(err)
		case isFile(part):
			return body{name: part.FileName(), file: part, finish: func() error { return endForm(form, fields) }}, nil
		}
		if err := readField(part, fields); err != nil {
			return body{}, err
		}
	}
	return body{}, problem.BadRequest.WithDetail("The form has too many fields.")
}

// endForm reads what follows the file.
func endForm(form *multipart.Reader, fields url.Values) error {
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

// isFile: curl and browsers give a file's part a name, and a field none.
func isFile(p *multipart.Part) bool {
	_, params, _ := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	_, ok := params["filename"]
	return ok
}

func readField(p *multipart.Part, fields url.Values) error {
	value, err := io.ReadAll(io.LimitReader(p, maxField+1))
	switch {
	case err != nil:
		return formError(err)
	case len(value) > maxField:
		return problem.BadRequest.WithDetail("The field %.40q is too long.", p.FormName())
	}
	fields.Add(p.FormName(), string(value))
	return nil
}

func formError(err error) error {
	if errors.Is(err, errBody) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the form has no end", errBody)
	}
	return problem.BadRequest.WithDetail("The form is malformed.")
}

// checked looks at the first bytes of a file and bounds the rest.
func checked(file io.Reader, limit int64) (io.Reader, error) {
	buffered := bufio.NewReaderSize(file, 64<<10)
	head, err := buffered.Peek(sniffed)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(head) == 0 {
		return nil, problem.EmptyFile
	}
	if kind := http.DetectContentType(head); !plausible(kind) {
		return nil, problem.UnsupportedMediaType.WithDetail("The file is %s.", kind)
	}
	return &bounded{r: buffered, left: limit, limit: limit}, nil
}

// plausible says no to what is surely something else than a video. Yes means
// little: the converter finds out.
func plausible(kind string) bool {
	for _, no := range []string{"text/", "image/", "font/", "application/pdf", "application/zip", "application/x-gzip", "application/x-rar", "application/wasm", "application/postscript"} {
		if strings.HasPrefix(kind, no) {
			return false
		}
	}
	return true
}

// bounded is io.LimitReader with an error where the limit is passed.
type bounded struct {
	r           io.Reader
	left, limit int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, problem.TooLarge.WithDetail("The limit is %d bytes.", b.limit)
	}
	return n, err
}

// patient lets a body take as long as it needs while it keeps arriving.
type patient struct {
	body    io.Reader
	control *http.ResponseController
	stall   time.Duration
	set     time.Time
}

func (p *patient) Read(b []byte) (int, error) {
	// Moving the deadline costs a system call's time: once a second will do.
	if now := time.Now(); now.Sub(p.set) > time.Second {
		p.set = now
		// A writer without a connection, as in a test, has no deadlines.
		_ = p.control.SetReadDeadline(now.Add(p.stall + time.Second))
	}
	return p.body.Read(b)
}
