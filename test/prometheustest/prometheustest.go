// Package prometheustest runs Prometheus and its Pushgateway, from Debian's packages, for
// tests.
package prometheustest

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/test/testproc"
)

// StartPushgateway starts a Pushgateway that the test stops when it ends, and returns
// its URL.
func StartPushgateway(t testing.TB) string {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", testproc.FreePorts(t, 1)[0])
	start(t, "http://"+address+"/-/ready", "prometheus-pushgateway", "--web.listen-address="+address)
	return "http://" + address
}

// start starts a server and waits until it is ready.
func start(t testing.TB, ready, name string, args ...string) {
	t.Helper()
	p, err := testproc.Start(filepath.Join(t.TempDir(), "log"), nil, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(ready)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-p.Exited():
			t.Fatalf("%s has exited", name)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v", name, err)
		}
	}
}

// Get returns the body of a successful response.
func Get(t testing.TB, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, error %v", url, resp.StatusCode, err)
	}
	return string(body)
}
