package notify

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"mp3converter/shared/conversion"
	"mp3converter/shared/jobs"
)

//go:embed templates
var templates embed.FS

var (
	textTemplate = texttemplate.Must(texttemplate.ParseFS(templates, "templates/mail.txt"))
	htmlTemplate = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/mail.html"))
)

// content is what the templates of a mail show.
type content struct {
	ID              string
	Done            bool
	Name, AudioName string // printable
	Tag             string // printable; "" without one
	Size            string // of the MP3
	KeptUntil       string
	Failure         *conversion.Failure
	Advice          string // what to do after the failure; "" if its message says it
	PublicURL       string

	Link          string // to the MP3; "" without LINK_KEYS
	LinkUntil     string
	LinkEndsFirst bool // before the MP3 is deleted

	Count int  // mails to the address within jobs.MailWindow, this one included
	Last  bool // further mails will not be sent
}

// Subject has no file name: subjects are shown on locked screens, and are kept in the logs
// of mail servers.
func (c content) Subject() string {
	if c.Done {
		return "Your MP3 is ready"
	}
	return "Your video could not be converted"
}

// content returns the content of the count-th mail to the address.
func (m *mailChannel) content(j jobs.Job, count int) content {
	c := content{
		ID: j.ID, Done: j.State == jobs.Done, Name: printable(j.Name), AudioName: printable(j.AudioName()),
		Tag: printable(j.Tag), PublicURL: m.config.PublicURL, Count: count, Last: count >= m.config.PerDay,
	}
	if !c.Done {
		c.Failure, c.Advice = j.Failure, advice[j.Failure.Code]
		return c
	}
	c.Size = fmt.Sprintf("%.1f MB", float64(j.Audio.Size)/1e6)
	c.KeptUntil = formatTime(j.ExpiresAt)
	if m.links != nil {
		until := j.FinishedAt.Add(m.config.LinkTTL)
		if c.LinkEndsFirst = until.Before(j.ExpiresAt); !c.LinkEndsFirst {
			until = j.ExpiresAt
		}
		c.Link, c.LinkUntil = m.links.URL(j, until), formatTime(until)
	}
	return c
}

// message returns the count-th mail to the address.
func (m *mailChannel) message(j jobs.Job, count int) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.From(m.config.From); err != nil {
		return nil, err
	}
	if err := msg.To(j.Email); err != nil {
		return nil, err
	}
	msg.SetMessageIDWithValue("job-" + j.ID + "@" + m.config.Host)
	msg.SetDateWithValue(j.FinishedAt)
	// Vacation programs do not answer such mails (RFC 3834).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	c := m.content(j, count)
	msg.Subject(c.Subject())
	var text, html bytes.Buffer
	if err := textTemplate.ExecuteTemplate(&text, "mail.txt", c); err != nil {
		return nil, err
	}
	if err := htmlTemplate.ExecuteTemplate(&html, "mail.html", c); err != nil {
		return nil, err
	}
	msg.SetBodyString(gomail.TypeTextPlain, text.String())
	msg.AddAlternativeString(gomail.TypeTextHTML, html.String())
	return msg, nil
}

func formatTime(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 MST") }

// maxShown is the longest name in a mail, in runes.
const maxShown = 100

// printable returns a name as one short line of plain text, in which no character changes
// how others are shown. The gateway cleans names too; records of earlier versions may hold
// others.
func printable(name string) string {
	line := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(name, ""), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1 // changes the direction, or is invisible
		}
		return r
	}, line))
	if len(runes) > maxShown {
		return string(runes[:maxShown-1]) + "…"
	}
	return string(runes)
}
