package conversion

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxText is the longest text of a tag, in bytes.
	MaxText = 500
	// maxTime is the latest start or end, in seconds.
	maxTime = 24 * 60 * 60
	// maxTrack is the highest number of a track.
	maxTrack = 1000
)

// Values is a set of permitted values.
type Values interface {
	// Parse returns the value that s stands for. The text of an error continues
	// a sentence that begins with the name of the option: "must be true or false".
	Parse(s string) (any, error)
}

// Integers permits the integers listed.
type Integers []int

func (list Integers) Parse(s string) (any, error) {
	n, err := strconv.Atoi(s)
	if err != nil || !slices.Contains(list, n) {
		return nil, fmt.Errorf("must be one of %s", list)
	}
	return n, nil
}

func (list Integers) String() string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint([]int(list)), "[]")), ", ")
}

// Names permits the strings listed.
type Names []string

func (list Names) Parse(s string) (any, error) {
	if !slices.Contains(list, s) {
		return nil, fmt.Errorf("must be one of %s", list)
	}
	return s, nil
}

func (list Names) String() string { return strings.Join(list, ", ") }

// Range permits the integers from Min to Max.
type Range struct{ Min, Max int }

func (r Range) Parse(s string) (any, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < r.Min || n > r.Max {
		return nil, fmt.Errorf("must be a number from %d to %d", r.Min, r.Max)
	}
	return n, nil
}

// Boolean permits what strconv.ParseBool accepts.
type Boolean struct{}

func (Boolean) Parse(s string) (any, error) {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return nil, errors.New("must be true or false")
	}
	return b, nil
}

// Time permits seconds, minutes and seconds, or hours, minutes and seconds: 90,
// 1:30, 0:01:30.5. Its value is in seconds.
type Time struct{}

func (Time) Parse(s string) (any, error) {
	seconds, ok := parseTime(s)
	if !ok {
		return nil, errors.New("must be a time such as 90, 1:30 or 0:01:30.5, and at most a day")
	}
	return seconds, nil
}

func parseTime(s string) (seconds float64, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return 0, false
	}
	for i, part := range parts {
		if part == "" || strings.Trim(part, "0123456789.") != "" || i < len(parts)-1 && strings.Contains(part, ".") {
			return 0, false
		}
		f, err := strconv.ParseFloat(part, 64)
		if err != nil || i > 0 && f >= 60 {
			return 0, false
		}
		seconds = seconds*60 + f
	}
	return seconds, seconds <= maxTime
}

// TrackSelector permits the number of a track, from 1, or a language.
type TrackSelector struct{}

func (TrackSelector) Parse(s string) (any, error) {
	s = strings.ToLower(s)
	n, err := strconv.Atoi(s)
	isNumber := err == nil && n >= 1 && n <= maxTrack
	isLanguage := len(s) >= 2 && len(s) <= 12 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == ""
	if !isNumber && !isLanguage {
		return nil, errors.New("must be the number of an audio track, from 1, or a language such as eng")
	}
	return s, nil
}

// Text permits up to MaxText bytes of UTF-8. Control characters become spaces.
type Text struct{}

func (Text) Parse(s string) (any, error) {
	if len(s) > MaxText || !utf8.ValidString(s) {
		return nil, fmt.Errorf("must be text of at most %d bytes", MaxText)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)), nil
}
