package convert

import "os"

// long asks for the tests that take many minutes: make conversion.
var long = ptr(os.Getenv("CONVERSION") == "all")

func ptr(b bool) *bool { return &b }
