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

// report is the result of a run, written as e2e.json.
type report struct {
	Began      time.Time          `json:"began"`
	Machine    string             `json:"machine"`
	Steps      []stepReport       `json:"steps"`
	Figures    map[string]float64 `json:"figures"`
	Logins     []float64          `json:"logins,omitempty"`     // seconds, one for each cold start
	Converters []float64          `json:"converters,omitempty"` // the same
	Burst      []sample           `json:"burst,omitempty"`
}

type stepReport struct {
	Name    string  `json:"name"`
	What    string  `json:"what"`
	Seconds float64 `json:"seconds"`
	OK      bool    `json:"ok"`
	Error   string  `json:"error,omitempty"`
}

// saveLogs saves the logs of all pods beside the report, because Kubernetes deletes
// them with the pods.
func (s *suite) saveLogs(ctx context.Context, step string) {
	names, err := s.cluster.kubectl(ctx, "get", "pods", "-o", "name")
	if err != nil {
		fmt.Println("   logs not saved:", err)
		return
	}
	dir := filepath.Join(s.config.report, "logs", step)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		fmt.Println("   logs not saved:", err)
		return
	}
	for name := range strings.FieldsSeq(names) {
		text, err := s.cluster.kubectl(ctx, "logs", name, "--all-containers", "--prefix", "--timestamps", "--since=30m")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)+".log"), []byte(text), 0o644)
		}
		if err != nil {
			fmt.Printf("   log of %s not saved: %v\n", name, err)
		}
	}
	fmt.Println("   pod logs are in", dir)
}

// write writes the report, and the chart of the burst if there was one.
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
	if err := os.WriteFile(filepath.Join(dir, "burst.svg"), []byte(drawChart(r.Burst)), 0o644); err != nil {
		return fmt.Errorf("write burst.svg: %w", err)
	}
	return nil
}
