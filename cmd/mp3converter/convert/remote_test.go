package convert

import (
	"errors"
	"fmt"
	"testing"

	"mp3converter/shared/client"
)

// The state of an upload is deleted only if the server does not want the file.
func TestRejected(t *testing.T) {
	tests := []struct {
		status int
		want   bool
	}{{302, false}, {400, true}, {401, false}, {409, true}, {413, true}, {415, true}, {423, false}, {429, false}, {500, false}, {503, false}, {507, false}}
	for _, test := range tests {
		if got := rejected(fmt.Errorf("upload: %w", &client.StatusError{Status: test.status})); got != test.want {
			t.Errorf("%d: %v, want %v", test.status, got, test.want)
		}
	}
	if rejected(nil) || rejected(errors.New("lost connection")) {
		t.Error("rejected without a response")
	}
}
