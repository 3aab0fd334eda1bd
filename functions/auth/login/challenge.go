package login

import "net/http"

// WWW-Authenticate headers of a login that fails. Browsers do not know the scheme xBasic;
// for Basic they show a dialog of their own, over the page that has sent the request.
const (
	basicChallenge  = `Basic realm="mp3converter", charset="UTF-8"`
	silentChallenge = `xBasic realm="mp3converter", charset="UTF-8"`
)

// challengeFor returns the header for a request without credentials. Some programs, such as
// wget and those with Apache's or .NET's client, send their credentials only after a
// challenge. A page in a browser does not: it has a form of its own.
func challengeFor(r *http.Request) string {
	// Browsers add Origin to every POST, and Sec-Fetch-Mode to what they send over HTTPS
	// or to localhost.
	for _, name := range []string{"Origin", "Sec-Fetch-Mode", "X-Requested-With"} {
		if r.Header.Get(name) != "" {
			return silentChallenge
		}
	}
	return basicChallenge
}
