// Command mp3converter runs every function of the service in one process, with
// the same handlers as on a cluster and with stores that need no server.
package main

import (
	"cmp"
	"os"

	"mp3converter/shared/serve"
)

func main() {
	// The log of this program is read in a terminal.
	os.Setenv("LOG_FORMAT", cmp.Or(os.Getenv("LOG_FORMAT"), "text"))
	serve.Main("local", run)
}
