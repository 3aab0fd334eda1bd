package jobs

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxTag is the maximum length of a tag in bytes.
const MaxTag = 200

// CheckTag returns an error that says what is wrong with a client's tag. The empty string
// means no tag.
func CheckTag(tag string) error {
	switch {
	case len(tag) > MaxTag:
		return fmt.Errorf("tag must have at most %d bytes", MaxTag)
	case !utf8.ValidString(tag):
		return errors.New("tag must be UTF-8")
	case strings.ContainsFunc(tag, unicode.IsControl):
		return errors.New("tag must have no control characters")
	}
	return nil
}
