// Command bench measures what docs/performance.md says about one machine. Every
// figure is a ratio of two measurements of the same run, side by side with what
// it is compared to, because machines differ and are busy.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"
)

// A figure is one line of the table.
type figure struct {
	name   string
	target string
	run    func(ctx context.Context, w *workshop) (ratio float64, detail string, err error)
}

var figures = []figure{
	{"long", "<= 1.15", long},
	{"onecore", "<= 1.05", onecore},
	{"hour", "<= 0.60", hour},
	{"copied", "<= 1.5", copied},
	{"burst", ">= 0.90", burst},
	{"memory", "<= 100 MB", memory},
	{"upload", ">= 0.80", upload},
	{"list", "<= 1.5", show},
}

func main() {
	only := flag.String("only", "", "comma-separated figures to measure; all if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	w, err := newWorkshop(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "figure\tmeasured\ttarget\tdetail")
	for _, f := range figures {
		if only != "" && !strings.Contains(","+only+",", ","+f.name+",") {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", f.name)
		measuring, cancel := context.WithTimeout(ctx, time.Hour)
		ratio, detail, err := f.run(measuring, w)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Fprintf(table, "%s\t%.2f\t%s\t%s\n", f.name, ratio, f.target, detail)
	}
	return table.Flush()
}

// command runs a program to its end.
func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
