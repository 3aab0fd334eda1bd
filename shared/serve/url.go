package serve

import (
	"fmt"
	"net/url"
)

// ParseURL parses the value of a variable that must be an absolute http or https
// URL. The error names the variable and does not contain the value.
func ParseURL(variable, value string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s must be an http or https URL", variable)
	}
	return u, nil
}
