package notify

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/test/toxic"
)

// Under each fault of the network a notification ends in bounded time, and it is
// neither lost nor given up: it is sent when the fault is over.
func TestNetworkFaults(t *testing.T) {
	const limit = time.Second
	for name, newReceiver := range map[string]func(t *testing.T) (cfg Config, addr string, received func() int){
		"mail":    mailReceiver,
		"webhook": webhookReceiver,
	} {
		for _, fault := range toxic.Faults() {
			t.Run(name+"/"+fault.Name, func(t *testing.T) {
				t.Parallel()
				cfg, addr, received := newReceiver(t)
				proxy := toxic.Start(t, addr)
				host, port, err := net.SplitHostPort(proxy.Addr)
				if err != nil {
					t.Fatal(err)
				}
				cfg.Policy = policy
				cfg.Mail.Timeout, cfg.Webhook.Timeout = limit, limit
				if cfg.Mail.Host != "" {
					cfg.Mail.Host = host
					cfg.Mail.Port, _ = strconv.Atoi(port)
				} else {
					cfg.Webhook.URL = fmt.Sprintf("http://%s/", proxy.Addr)
				}
				s := newStore(t)
				n := newNotifier(t, s, cfg)
				j := finished(t, s, nil)

				proxy.Apply(t, fault)
				first := toxic.Within(t, "Notify", func() error { return n.Notify(t.Context(), j.ID) })
				outcome := outcomeOf(t, s, j.ID)
				if (first == nil) != (outcome == "sent") {
					t.Errorf("under the fault: outcome %q, error %v", outcome, first)
				}
				proxy.Heal(t)
				for range 10 { // the machine may be too slow for the limit
					endDelay(t, s, j.ID)
					if err = n.Notify(t.Context(), j.ID); err == nil {
						break
					}
				}
				if got := outcomeOf(t, s, j.ID); err != nil || got != "sent" {
					t.Errorf("after the fault: outcome %q, error %v", got, err)
				}
				if received() == 0 {
					t.Errorf("nothing was received, although the outcome is sent; error under the fault: %v", first)
				}
			})
		}
	}
}

func mailReceiver(t *testing.T) (Config, string, func() int) {
	box := &mailServer{}
	cfg := box.start(t)
	addr := net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port))
	return Config{Mail: cfg}, addr, func() int { return len(box.all()) }
}

func webhookReceiver(t *testing.T) (Config, string, func() int) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			n.Add(1)
		}
	}))
	t.Cleanup(srv.Close)
	return Config{}, strings.TrimPrefix(srv.URL, "http://"), func() int { return int(n.Load()) }
}
