package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
