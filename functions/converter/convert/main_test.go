package convert

import "flag"

// long asks for the tests that take many minutes: make conversion.
var long = flag.Bool("long", false, "run the long tests too")
