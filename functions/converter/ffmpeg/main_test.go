package ffmpeg

import "os"

// long enables the tests that take many minutes; make conversion sets it.
var long = os.Getenv("CONVERSION") == "all"
