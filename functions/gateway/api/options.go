package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"mp3converter/shared/conversion"
	"mp3converter/shared/problem"
)

const (
	maxText  = 500          // bytes of a title or a comment
	maxStart = 24 * 60 * 60 // seconds into a video
)

var errTime = errors.New("must be a time such as 90, 1:30 or 0:01:30.5, and at most a day")

// bitrates are the constant ones of MPEG-1 layer III that are offered, in
// kbit/s.
var bitrates = []int{64, 80, 96, 112, 128, 160, 192, 224, 256, 320}

var sampleRates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}

// presets are names for what most people want.
var presets = map[string]conversion.Options{
	"speech":   {Bitrate: 64, Channels: 1, Normalize: true},
	"standard": {Bitrate: 192},
	"high":     {Bitrate: 320},
}

// options are the fields that an upload may carry beside its file, each with
// what it does to the job. A preset comes first, so that the others refine it.
var options = []struct {
	name string
	set  func(*conversion.Options, string) error
}{
	{"preset", func(o *conversion.Options, v string) error {
		preset, ok := presets[v]
		if !ok {
			return errors.New("must be speech, standard or high")
		}
		*o = preset
		return nil
	}},
	{"bitrate", func(o *conversion.Options, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || !slices.Contains(bitrates, n) {
			return fmt.Errorf("must be one of %v kbit/s", bitrates)
		}
		o.Bitrate, o.Quality = n, nil
		return nil
	}},
	{"quality", func(o *conversion.Options, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 9 {
			return errors.New("must be 0 (best) to 9")
		}
		o.Bitrate, o.Quality = 0, &n
		return nil
	}},
	{"sample_rate", func(o *conversion.Options, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || !slices.Contains(sampleRates, n) {
			return fmt.Errorf("must be one of %v", sampleRates)
		}
		o.SampleRate = n
		return nil
	}},
	{"channels", func(o *conversion.Options, v string) error {
		n := map[string]int{"mono": 1, "1": 1, "stereo": 2, "2": 2}[v]
		if n == 0 {
			return errors.New("must be mono or stereo")
		}
		o.Channels = n
		return nil
	}},
	{"normalize", func(o *conversion.Options, v string) (err error) {
		if o.Normalize, err = strconv.ParseBool(v); err != nil {
			return errors.New("must be true or false")
		}
		return nil
	}},
	{"start", func(o *conversion.Options, v string) (err error) {
		o.Start, err = parseTime(v)
		return err
	}},
	{"end", func(o *conversion.Options, v string) (err error) {
		o.End, err = parseTime(v)
		return err
	}},
	{"track", func(o *conversion.Options, v string) error {
		if !isTrack(v) {
			return errors.New("must be the number of a sound track, from 1, or a language such as eng")
		}
		o.Track = strings.ToLower(v)
		return nil
	}},
	{"title", func(o *conversion.Options, v string) (err error) { o.Title, err = parseText(v); return err }},
	{"artist", func(o *conversion.Options, v string) (err error) { o.Artist, err = parseText(v); return err }},
	{"album", func(o *conversion.Options, v string) (err error) { o.Album, err = parseText(v); return err }},
	{"comment", func(o *conversion.Options, v string) (err error) { o.Comment, err = parseText(v); return err }},
	{"cover", func(o *conversion.Options, v string) error {
		if v == "keep" {
			v = string(conversion.CoverKept)
		}
		if o.Cover = conversion.Cover(v); o.Cover != conversion.CoverKept && o.Cover != conversion.CoverNone && o.Cover != conversion.CoverFrame {
			return errors.New("must be keep, none or frame")
		}
		return nil
	}},
	{"chapters", func(o *conversion.Options, v string) error {
		if v != "keep" && v != "drop" {
			return errors.New("must be keep or drop")
		}
		o.NoChapters = v == "drop"
		return nil
	}},
}

// parseOptions reads the wishes of an upload from its fields, or from a field
// "options" that holds them as JSON. "name" is not one of them.
func parseOptions(fields url.Values) (conversion.Options, error) {
	given := map[string]string{}
	if document := fields.Get("options"); document != "" {
		if err := readJSON(document, given); err != nil {
			return conversion.Options{}, err
		}
	}
	for name, values := range fields { // which win over the document
		if name != "name" && name != "options" {
			given[name] = values[0]
		}
	}
	var o conversion.Options
	for _, option := range options {
		v, ok := given[option.name]
		delete(given, option.name)
		if !ok || v == "" {
			continue
		}
		if err := option.set(&o, v); err != nil {
			return conversion.Options{}, problem.BadOption.WithDetail("%s %v.", option.name, err)
		}
	}
	for name := range given {
		return conversion.Options{}, problem.BadOption.WithDetail("There is no option %.40q.", name)
	}
	if o.End != 0 && o.End <= o.Start {
		return conversion.Options{}, problem.BadOption.WithDetail("end must be later than start.")
	}
	return o, nil
}

// readJSON adds the members of an object: strings, numbers and booleans.
func readJSON(text string, to map[string]string) error {
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return problem.BadOption.WithDetail("options must be a JSON object.")
	}
	for name, v := range members {
		switch v := v.(type) {
		case string:
			to[name] = v
		case bool:
			to[name] = strconv.FormatBool(v)
		case float64:
			to[name] = strconv.FormatFloat(v, 'f', -1, 64)
		default:
			return problem.BadOption.WithDetail("%.40s must be a string, a number or a boolean.", name)
		}
	}
	return nil
}

// parseTime reads seconds, or minutes and hours before them: 90, 1:30, 0:01:30.5.
func parseTime(s string) (float64, error) {
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return 0, errTime
	}
	var total float64
	for i, part := range parts {
		if part == "" || strings.Trim(part, "0123456789.") != "" || i < len(parts)-1 && strings.Contains(part, ".") {
			return 0, errTime
		}
		f, err := strconv.ParseFloat(part, 64)
		if err != nil || i > 0 && f >= 60 {
			return 0, errTime
		}
		total = total*60 + f
	}
	if total > maxStart {
		return 0, errTime
	}
	return total, nil
}

func isTrack(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n >= 1 && n <= 1000
	}
	return len(s) >= 2 && len(s) <= 12 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz-") == ""
}

func parseText(s string) (string, error) {
	if len(s) > maxText || !utf8.ValidString(s) {
		return "", fmt.Errorf("must be text of at most %d bytes", maxText)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)), nil
}
