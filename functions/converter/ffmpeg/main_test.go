package ffmpeg

import (
	"log/slog"
	"os"
	"testing"
)

// long enables the tests that take many minutes; make conversion sets it.
var long = os.Getenv("CONVERSION") == "all"

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
