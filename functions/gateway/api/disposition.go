package api

import (
	"net/url"
	"strings"
)

// attachment returns a Content-Disposition (RFC 6266) under which every client
// saves the file by its own name: in ASCII for old ones, in full (RFC 8187) for
// the rest.
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	// PathEscape leaves three characters that an extended value may not hold.
	full := strings.NewReplacer(":", "%3A", "@", "%40", "=", "%3D").Replace(url.PathEscape(name))
	return `attachment; filename="` + ascii + `"; filename*=UTF-8''` + full
}
