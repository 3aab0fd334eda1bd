package jobs

import (
	"regexp"
	"time"
)

// Filter selects some of an owner's jobs. A field that is zero selects all.
type Filter struct {
	Before string    // those with identifiers less than this
	States []State   // those in one of these states
	Tag    string    // those with this tag
	Text   string    // those with this text in their name, in upper or lower case
	Since  time.Time // those created at this time or later
}

// TextPattern is the regular expression for Text, which is to be matched without regard to
// case.
func (f Filter) TextPattern() string { return regexp.QuoteMeta(f.Text) }
