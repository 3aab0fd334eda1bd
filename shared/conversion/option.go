package conversion

import (
	"errors"
	"fmt"
)

// Option describes one option of the API.
type Option struct {
	Name        string
	Values      Values // the permitted values
	Description string // for the API's documentation, in Markdown

	aliases map[string]string   // other spellings that are accepted
	set     func(*Options, any) // stores a value that Values.Parse returned
	get     func(Options) any   // returns the value to pass to set, or nil for the default
}

// ParseOptions returns the options that are given by name. Empty values count
// as not given. Errors are written for the user and name the option.
func ParseOptions(given map[string]string) (Options, error) {
	var o Options
	known := make(map[string]bool)
	for _, option := range AllOptions {
		known[option.Name] = true
		s := given[option.Name]
		if s == "" {
			continue
		}
		if name, ok := option.aliases[s]; ok {
			s = name
		}
		v, err := option.Values.Parse(s)
		if err != nil {
			return Options{}, fmt.Errorf("%s %w", option.Name, err)
		}
		option.set(&o, v)
	}
	for name := range given {
		if !known[name] {
			return Options{}, fmt.Errorf("%.40q is not an option", name)
		}
	}
	if o.End != 0 && o.End <= o.Start {
		return Options{}, errors.New("end must be later than start")
	}
	return o, nil
}

// FormatOptions is the inverse of ParseOptions. It returns a string, number or
// boolean for each option that is not at its default.
func FormatOptions(o Options) map[string]any {
	values := make(map[string]any)
	for _, option := range AllOptions {
		if v := option.get(o); v != nil {
			values[option.Name] = v
		}
	}
	return values
}

func unlessZero[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// nameOf returns the name of a stored value, or nil for the zero value.
func nameOf[T comparable](names map[string]T, stored T) any {
	for name, v := range names {
		if v == stored && unlessZero(v) != nil {
			return name
		}
	}
	return nil
}
