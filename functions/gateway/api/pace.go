package api

import "time"

// pace enforces a minimum rate on a transfer. A client has a credit of time for which
// the gateway waits for it. Waiting uses the credit up; each byte adds the time that it
// takes at the minimum rate, up to the initial credit. So a client may pause, or be slow
// for a while. Time that the gateway spends otherwise, such as on waiting for a store,
// does not count.
type pace struct {
	rate          int64 // bytes per second
	limit, credit time.Duration
}

func (g *Gateway) newPace() *pace {
	return &pace{rate: g.config.MinRate, limit: g.config.IdleTimeout, credit: g.config.IdleTimeout}
}

// record records that the client took a time to send or receive n bytes.
func (p *pace) record(n int64, took time.Duration) {
	earned := time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
	p.credit = min(p.credit-took+earned, p.limit)
}
