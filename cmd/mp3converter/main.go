// Command mp3converter runs every function of the service in one process, with
// the same handlers as on a cluster and with stores that need no server. Its command
// convert converts files without a service, or by one.
package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"mp3converter/cmd/mp3converter/convert"
	"mp3converter/shared/serve"
)

func main() {
	root := &cobra.Command{
		Use: "mp3converter", Short: "Convert videos to MP3",
		Long: "Without a command, mp3converter runs the service until it is interrupted.",
		Args: cobra.NoArgs, RunE: serveAll, SilenceErrors: true, SilenceUsage: true, Version: version(),
	}
	root.AddCommand(convert.Command(), &cobra.Command{
		Use: "serve", Short: "Run the service, configured by the environment", Args: cobra.NoArgs, RunE: serveAll,
	})
	if err := root.Execute(); err != nil {
		status, printed := convert.ExitStatus(err)
		if !printed {
			fmt.Fprintf(os.Stderr, "mp3converter: %v\n", err)
		}
		os.Exit(status)
	}
}

func serveAll(*cobra.Command, []string) error {
	// The log of this program is read in a terminal.
	os.Setenv("LOG_FORMAT", cmp.Or(os.Getenv("LOG_FORMAT"), "text"))
	serve.Main("local", run)
	return nil
}

// version returns the version that was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return info.Main.Version + " " + s.Value
		}
	}
	return info.Main.Version
}
