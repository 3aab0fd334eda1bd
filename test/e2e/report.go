package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report is what a run leaves behind.
type report struct {
	Began      time.Time          `json:"began"`
	Machine    string             `json:"machine"`
	Steps      []stepReport       `json:"steps"`
	Figures    map[string]float64 `json:"figures"`
	Logins     []float64          `json:"logins,omitempty"`     // seconds, of each cold start
	Converters []float64          `json:"converters,omitempty"` // likewise
	Burst      []moment           `json:"burst,omitempty"`
}

type stepReport struct {
	Name    string  `json:"name"`
	What    string  `json:"what"`
	Seconds float64 `json:"seconds"`
	OK      bool    `json:"ok"`
	Error   string  `json:"error,omitempty"`
}

// keepLogs saves what the pods have said, which is lost when they end: they do so
// soon. It goes beside the report.
func (b *bench) keepLogs(ctx context.Context, step string) {
	names, err := b.cluster.kubectl(ctx, "get", "pods", "-o", "name")
	if err != nil {
		fmt.Println("   no logs kept:", err)
		return
	}
	dir := filepath.Join(b.config.report, "logs", step)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		fmt.Println("   no logs kept:", err)
		return
	}
	for name := range strings.FieldsSeq(names) {
		text, err := b.cluster.kubectl(ctx, "logs", name, "--all-containers", "--prefix", "--timestamps", "--since=30m")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)+".log"), []byte(text), 0o644)
		}
		if err != nil {
			fmt.Printf("   no log of %s: %v\n", name, err)
		}
	}
	fmt.Println("   the pods' logs are in", dir)
}

// write puts the report, and the picture if there was a burst, into a directory.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "e2e.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	if len(r.Burst) == 0 {
		return nil
	}
	if err := os.WriteFile(filepath.Join(dir, "burst.svg"), []byte(picture(r.Burst)), 0o644); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	return nil
}
