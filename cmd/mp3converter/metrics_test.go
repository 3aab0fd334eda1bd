package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mp3converter/test/prometheustest"
	"mp3converter/test/samples"
	"mp3converter/test/testproc"
)

// In one process the metrics of the job records are served beside the others.
func TestMetrics(t *testing.T) {
	address := fmt.Sprintf("127.0.0.1:%d", testproc.FreePorts(t, 1)[0])
	c := register(t, startService(t, "METRICS_ADDR", address), "user@example.com")
	path, err := (samples.Spec{Name: "a.mp4", Seconds: 1}).Path(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	video, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	upload(t, c, video)
	for deadline := time.Now().Add(2 * time.Minute); finished(t, c) < 1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the job has not finished")
		}
	}
	metrics := prometheustest.Get(t, "http://"+address+"/metrics")
	for _, line := range []string{
		`mp3converter_jobs{state="queued"} 0`,
		`mp3converter_jobs_finished_last_hour{outcome="done"} 1`,
		`mp3converter_conversion_seconds_count{outcome="done"} 1`,
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("not among the metrics: %s", line)
		}
	}
}
