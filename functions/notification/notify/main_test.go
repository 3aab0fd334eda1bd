package notify

import (
	"log"
	"os"
	"testing"

	"mp3converter/test/mailtest"
)

// authority is trusted by this process, as by one that is started with SSL_CERT_FILE.
var authority *mailtest.Authority

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if authority, err = mailtest.NewAuthority(dir); err != nil {
		log.Fatal(err)
	}
	// The system's certificates are read once, at the first handshake.
	os.Setenv("SSL_CERT_FILE", authority.CertFile)
	return m.Run()
}
