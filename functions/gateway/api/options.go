package api

import (
	"encoding/json"
	"net/url"
	"strconv"

	"mp3converter/shared/conversion"
	"mp3converter/shared/problem"
)

// parseOptions reads the options of an upload. Each is a field of its own or a
// member of the JSON object in the field "options"; a field of its own wins.
func parseOptions(fields url.Values) (conversion.Options, error) {
	given := make(map[string]string)
	if document := fields.Get("options"); document != "" {
		if err := parseOptionsJSON(document, given); err != nil {
			return conversion.Options{}, err
		}
	}
	for name, values := range fields {
		if !notOptions[name] {
			given[name] = values[0]
		}
	}
	o, err := conversion.ParseOptions(given)
	if err != nil {
		return conversion.Options{}, problem.BadOption.WithDetail("%v.", err)
	}
	return o, nil
}

// parseOptionsJSON adds the members of a JSON object to values.
func parseOptionsJSON(document string, values map[string]string) error {
	var members map[string]any
	if err := json.Unmarshal([]byte(document), &members); err != nil {
		return problem.BadOption.WithDetail("options must be a JSON object.")
	}
	for name, v := range members {
		switch v := v.(type) {
		case string:
			values[name] = v
		case bool:
			values[name] = strconv.FormatBool(v)
		case float64:
			values[name] = strconv.FormatFloat(v, 'f', -1, 64)
		default:
			return problem.BadOption.WithDetail("%.40s must be a string, a number or a boolean.", name)
		}
	}
	return nil
}
