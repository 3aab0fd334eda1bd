package jobstest

import (
	"os"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/jobs"
)

func TestModel(t *testing.T) {
	RunModel(t, memory{records: map[string]jobs.Job{}, turns: map[string]time.Time{}}, 500)
}

func TestArchitectureNamesTheInvariants(t *testing.T) {
	page, err := os.ReadFile("../../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	for _, invariant := range Invariants {
		if !strings.Contains(text, invariant) {
			t.Errorf("ARCHITECTURE.md does not say: %s", invariant)
		}
	}
}
