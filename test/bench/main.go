// Command bench measures the figures of docs/performance.md on this machine.
// Every figure but memory is a ratio of two measurements from the same run, because
// machines differ in speed and load.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"
)

// A figure is one line of the table.
type figure struct {
	name    string
	target  string
	measure func(ctx context.Context, h *harness) (value float64, detail string, err error)
}

var figures = []figure{
	{"long", "<= 1.15", measureLong},
	{"onecore", "<= 1.05", measureOneCore},
	{"hour", "<= 0.60", measureHour},
	{"copied", "<= 1.5", measureCopied},
	{"command", "<= 0.60", measureCommand},
	{"burst", ">= 0.90", measureBurst},
	{"memory", "<= 100 MB", measureMemory},
	{"upload", ">= 0.80", measureUpload},
	{"tus", ">= 0.90", measureTus},
	{"resume", "<= 1.25", measureResume},
	{"list", "<= 1.5", measureList},
	{"duplicates", "1", measureDuplicates},
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
	h, err := newHarness(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "figure\tmeasured\ttarget\tdetail")
	for _, f := range figures {
		if only != "" && !strings.Contains(","+only+",", ","+f.name+",") {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", f.name)
		value, detail, err := measure(ctx, h, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Fprintf(table, "%s\t%.2f\t%s\t%s\n", f.name, value, f.target, detail)
	}
	return table.Flush()
}

func measure(ctx context.Context, h *harness, f figure) (float64, string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	return f.measure(ctx, h)
}
