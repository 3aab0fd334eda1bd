package ffmpeg

import "os"

// long asks for the tests that take many minutes: make conversion.
var long = os.Getenv("CONVERSION") == "all"
