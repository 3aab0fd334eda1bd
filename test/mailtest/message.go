package mailtest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"testing"

	"github.com/emersion/go-message/mail"
)

// Message is a mail, as a MIME parser reads it.
type Message struct {
	Header mail.Header
	Types  []string // media types of the parts, in their order
	Text   string   // of the part text/plain, decoded
	HTML   string   // of the part text/html, decoded
	Raw    string
}

func parse(t testing.TB, raw []byte) Message {
	t.Helper()
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("mailtest: not a mail: %v\n%s", err, raw)
	}
	defer r.Close()
	m := Message{Header: r.Header, Raw: string(raw)}
	for {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return m
		}
		if err != nil {
			t.Fatalf("mailtest: %v\n%s", err, raw)
		}
		body, err := io.ReadAll(part.Body)
		if err != nil {
			t.Fatalf("mailtest: %v\n%s", err, raw)
		}
		mediaType, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			t.Fatalf("mailtest: %v\n%s", err, raw)
		}
		m.Types = append(m.Types, mediaType)
		switch mediaType {
		case "text/plain":
			m.Text += string(body)
		case "text/html":
			m.HTML += string(body)
		}
	}
}
