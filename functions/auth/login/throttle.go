package login

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"mp3converter/shared/token"
)

// throttle limits attempts to log in and to register. The counts are in the database of
// the users, so all pods share them. A login is subject to three limits:
//
//   - of the client, over all accounts; registrations count too;
//   - of the client at this account: the limit on guessing a password;
//   - of the account, over all clients: a higher limit on guessing from many addresses.
//     It does not apply to a client that has logged in to the account before, so that
//     guessing does not lock out the user.
//
// An unknown account is counted like a known one.
type throttle struct {
	users                 *Users
	keys                  token.Keys
	client, pair, account rate
	refused               refusals
}

// rate permits a burst of attempts, and one more after each interval.
type rate struct {
	interval time.Duration
	burst    int
}

func perMinute(n float64, burst int) rate {
	return rate{max(time.Microsecond, time.Duration(float64(time.Minute)/n)), burst}
}

// knownClientAge is how long after its last login a client is exempt from the limit of
// the account.
const knownClientAge = 90 * 24 * time.Hour

func newThrottle(cfg Config, users *Users, keys token.Keys) *throttle {
	return &throttle{
		users:   users,
		keys:    keys,
		client:  perMinute(cfg.ClientRate, cfg.ClientBurst),
		pair:    perMinute(cfg.PairRate, cfg.PairBurst),
		account: perMinute(cfg.AccountRate, cfg.AccountBurst),
		refused: refusals{until: make(map[rowID]time.Time)},
	}
}

// admitLogin counts an attempt and returns 0, or the time to wait for the next one.
func (t *throttle) admitLogin(ctx context.Context, client, account string, now time.Time) (time.Duration, error) {
	byClient := limit{t.id("client", client), t.client}
	byPair := limit{t.id("account and client", account, client), t.pair}
	byAccount := limit{t.id("account", account), t.account}
	r, err := t.take(ctx, now, byClient, byPair, byAccount)
	if err != nil || r.id != byAccount.id {
		return r.wait, err
	}
	// Many clients try this account. Count the attempt even if it is refused, so that
	// a client cannot cause a query with each.
	if r, err := t.take(ctx, now, byClient, byPair); err != nil || r.wait > 0 {
		return r.wait, err
	}
	known, err := t.users.has(ctx, t.knownClient(client, account))
	if err != nil || known {
		return 0, err
	}
	return r.wait, nil
}

// admitRegistration counts a registration and returns 0, or the time to wait for the next
// one.
func (t *throttle) admitRegistration(ctx context.Context, client string, now time.Time) (time.Duration, error) {
	r, err := t.take(ctx, now, limit{t.id("client", client), t.client})
	return r.wait, err
}

// loggedIn records that a client knew the password of an account.
func (t *throttle) loggedIn(ctx context.Context, client, account string) error {
	return t.users.remember(ctx, t.knownClient(client, account), knownClientAge)
}

func (t *throttle) knownClient(client, account string) rowID {
	return t.id("known client", account, client)
}

// id returns a keyed hash, because the database must not collect addresses of clients, or
// e-mail addresses of people who have no account. None of the parts contains a zero byte.
func (t *throttle) id(kind string, parts ...string) rowID {
	message := kind
	for _, p := range parts {
		message += "\x00" + p
	}
	return rowID(t.keys.MAC("login throttle", message))
}

// take is Users.take, without a query while a limit is known to be exhausted.
func (t *throttle) take(ctx context.Context, now time.Time, limits ...limit) (refusal, error) {
	if r := t.refused.find(limits, now); r.wait > 0 {
		return r, nil
	}
	r, err := t.users.take(ctx, limits)
	if r.wait > 0 {
		t.refused.add(r, now)
	}
	return r, err
}

// refusals keeps exhausted limits in memory, so that a flood of attempts does not reach
// the database. Other pods can only make them last longer. It is safe for concurrent use.
type refusals struct {
	mu    sync.Mutex
	until map[rowID]time.Time
}

// maxRefusals bounds the memory of refusals to about 1 MB.
const maxRefusals = 10_000

func (r *refusals) find(limits []limit, now time.Time) refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range limits {
		if wait := r.until[l.id].Sub(now); wait > 0 {
			return refusal{l.id, wait}
		}
	}
	return refusal{}
}

func (r *refusals) add(new refusal, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until) >= maxRefusals {
		clear(r.until) // the database still refuses them
	}
	r.until[new.id] = now.Add(new.wait)
}

// clientKey returns what counts as one client: an IPv4 address or an IPv6 /64 network.
func clientKey(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() {
		return address
	}
	network, _ := a.Prefix(64)
	return network.String()
}
