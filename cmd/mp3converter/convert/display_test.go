package convert

import (
	"bytes"
	"errors"
	"testing"
)

// What a server or a name of a file contains does not control the terminal.
func TestErrorsAreText(t *testing.T) {
	var stderr bytes.Buffer
	show := newDisplay(&stderr, false)
	results := newReport(false, nil, show)
	r := result{File: "a\x1b[2J.mp4", State: "failed"}
	r.fail(t.Context(), errors.New("évil\x1b]0;title\a\r\n\u009b31mred"))
	results.add(r)
	if want := "mp3converter: a [2J.mp4: évil ]0;title    31mred\n"; stderr.String() != want {
		t.Errorf("%q, want %q", stderr.String(), want)
	}
}
