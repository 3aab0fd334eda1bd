// Command local is the whole service in one process: every function with its
// real handlers, on stores that need no server. It is for a laptop, and for
// whoever wants to see the thing work before there is a cluster.
package main

import (
	"cmp"
	"os"

	"mp3converter/shared/serve"
)

func main() {
	// A person at a terminal reads the log here.
	os.Setenv("LOG_FORMAT", cmp.Or(os.Getenv("LOG_FORMAT"), "text"))
	serve.Main("local", run)
}
