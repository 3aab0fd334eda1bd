package notify

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
)

// trustAll is the entry of MAIL_TRUSTED for all addresses.
const trustAll = "all"

// trusted are the addresses that may be sent mail. Nobody verifies that the address of an
// account belongs to its user, so the operator must say which addresses do: an account
// could otherwise be created to send mails to somebody else.
type trusted struct {
	all       bool
	addresses []string
	domains   []string
}

// parseTrusted returns an error that says what MAIL_TRUSTED must be.
func parseTrusted(entries []string) (t trusted, err error) {
	if len(entries) == 0 {
		return t, errors.New(`MAIL_TRUSTED is required with SMTP_HOST, because nobody verifies that the address of an account belongs to its user: set it to the addresses and domains to which mail may be sent, or to "all" if only trusted people can register`)
	}
	for _, entry := range entries {
		entry = strings.ToLower(strings.TrimSpace(entry))
		local, domain, isAddress := strings.Cut(entry, "@")
		switch {
		case entry == trustAll:
			t.all = true
		case isAddress && local != "":
			if a, err := mail.ParseAddress(entry); err != nil || a.Address != entry {
				return t, fmt.Errorf("MAIL_TRUSTED: %q is not an address", entry)
			}
			t.addresses = append(t.addresses, entry)
		default:
			if !isAddress {
				domain = entry
			}
			if a, err := mail.ParseAddress("a@" + domain); err != nil || a.Address != "a@"+domain {
				return t, fmt.Errorf("MAIL_TRUSTED: %q is neither an address nor a domain nor %q", entry, trustAll)
			}
			t.domains = append(t.domains, domain)
		}
	}
	return t, nil
}

// contains reports whether mail may be sent to the address.
func (t trusted) contains(address string) bool {
	address = strings.ToLower(address)
	_, domain, _ := strings.Cut(address, "@")
	return t.all || slices.Contains(t.addresses, address) || slices.Contains(t.domains, domain)
}
