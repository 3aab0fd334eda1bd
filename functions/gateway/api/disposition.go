package api

import (
	"net/url"
	"strings"
)

// attachment returns a Content-Disposition header (RFC 6266) with the file name
// in ASCII for old clients and in full (RFC 8187) for the others.
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	// PathEscape keeps three characters that RFC 8187 does not allow.
	full := strings.NewReplacer(":", "%3A", "@", "%40", "=", "%3D").Replace(url.PathEscape(name))
	return `attachment; filename="` + ascii + `"; filename*=UTF-8''` + full
}
