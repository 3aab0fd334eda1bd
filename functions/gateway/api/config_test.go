package api

import (
	"strings"
	"testing"

	"github.com/kelseyhightower/envconfig"
)

// The error for an invalid value names the variable.
func TestValidateNamesTheVariable(t *testing.T) {
	for name, value := range map[string]string{
		"MAX_UPLOAD_BYTES": "0", "MAX_UPLOADS": "0", "MAX_UPLOADS_PER_USER": "0", "MAX_DOWNLOADS": "0", "MAX_DOWNLOADS_PER_USER": "-1",
		"MAX_WAITS": "0", "MAX_WAITS_PER_USER": "0", "TRANSFER_WAIT": "0s", "MIN_TRANSFER_RATE": "0", "STALL_TIMEOUT": "999ms",
		"QUOTA_JOBS": "0", "QUOTA_BYTES": "0", "MIN_FREE_BYTES": "-1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LINK_KEYS", testLinkKeys)
			var c Config
			if err := envconfig.Process("", &c); err != nil {
				t.Fatal(err)
			}
			if err := c.Validate(); err != nil {
				t.Fatalf("the defaults are invalid: %v", err)
			}
			t.Setenv(name, value)
			if err := envconfig.Process("", &c); err != nil {
				t.Fatal(err)
			}
			if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name+" must be ") {
				t.Errorf("error %v, want one that names %s", err, name)
			}
		})
	}
}
