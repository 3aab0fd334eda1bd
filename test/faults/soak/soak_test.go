// Package soak tests that the program uses no more memory, goroutines, files and
// connections after a long time of mixed use than after a short one.
package soak

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"mp3converter/test/faults/program"
	"mp3converter/test/faults/report"
	"mp3converter/test/samples"
)

const users = 4

// duration returns that of SOAK, or else one that fits the extent of the run.
func duration(t *testing.T) time.Duration {
	t.Helper()
	if s := os.Getenv("SOAK"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d < 10*time.Second {
			t.Fatalf("SOAK must be a duration of at least 10s, not %q", s)
		}
		return d
	}
	if os.Getenv("FAULTS") == "all" {
		return 30 * time.Minute
	}
	return 20 * time.Second
}

func TestSoak(t *testing.T) {
	length := duration(t)
	uploads := makeUploads(t)
	p := program.Start(t)
	l := &ledger{wrong: map[string]int{}}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range users {
		email := fmt.Sprintf("user%d@example.com", i)
		c := p.Login(t, email)
		wg.Go(func() { use(t.Context(), stop, email, c, uploads, l) })
	}
	all := sampleFor(t, p, length)
	close(stop)
	ended := time.Now()
	wg.Wait()

	row := report.Row{Fault: "soak of " + length.String(), Runs: 1, Accepted: l.accepted, Lost: l.lost, LongestRecovery: time.Since(ended)}
	for what, n := range l.wrong {
		t.Errorf("%d times: %s", n, what)
		row.FailedWrongly += n
	}
	row.LeftOver = leftovers(t, p)
	if row.LeftOver > 0 {
		t.Errorf("%d files are left although all jobs are deleted", row.LeftOver)
	}
	for _, m := range measures {
		early, late := medians(all, m.of)
		t.Logf("%-22s %12.0f in the second fifth, %12.0f in the last", m.name, early, late)
		if late > early*m.factor+m.slack {
			t.Errorf("%s grew from %.0f to %.0f", m.name, early, late)
		}
	}
	t.Logf("%d jobs", l.accepted)
	if l.accepted < 3 {
		t.Errorf("only %d jobs were accepted", l.accepted)
	}
	report.Save(t, row)
}

// sample is one reading of what the program uses.
type sample struct {
	metrics map[string]float64
	bytes   int64 // of the data directory
	temp    int   // temporary files
}

// measures must stay the same, within a tolerance that covers the load's fluctuation.
var measures = []struct {
	name          string
	of            func(sample) float64
	factor, slack float64
}{
	{"heap in use", func(s sample) float64 { return s.metrics["go_memstats_heap_inuse_bytes"] }, 1.3, 24 << 20},
	{"resident memory", func(s sample) float64 { return s.metrics["process_resident_memory_bytes"] }, 1.3, 48 << 20},
	{"goroutines", func(s sample) float64 { return s.metrics["go_goroutines"] }, 1.3, 30},
	{"open files", func(s sample) float64 { return s.metrics["process_open_fds"] }, 1.3, 30},
	{"data directory", func(s sample) float64 { return float64(s.bytes) }, 1.3, 64 << 20},
	{"temporary files", func(s sample) float64 { return float64(s.temp) }, 1.3, 10},
}

// sampleFor reads what the program uses two hundred times.
func sampleFor(t *testing.T, p *program.Program, length time.Duration) (all []sample) {
	t.Helper()
	ticker := time.NewTicker(length / 200)
	defer ticker.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); <-ticker.C {
		metrics, err := p.Metrics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if metrics["go_goroutines"] == 0 || metrics["process_open_fds"] == 0 {
			t.Fatal("the metrics are not there")
		}
		_, bytes, err := p.Files("")
		if err != nil {
			t.Fatal(err)
		}
		temp, _, err := p.Files("tmp")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sample{metrics, bytes, temp})
	}
	return all
}

// medians returns those of the second and the last fifth.
func medians(all []sample, of func(sample) float64) (early, late float64) {
	median := func(part []sample) float64 {
		var values []float64
		for _, s := range part {
			values = append(values, of(s))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	n := len(all) / 5
	return median(all[n : 2*n]), median(all[len(all)-n:])
}

// leftovers returns how many files are left once the program has come to rest.
func leftovers(t *testing.T, p *program.Program) (n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		n = 0
		for _, dir := range []string{"videos", "mp3", "tmp"} {
			files, _, err := p.Files(dir)
			if err != nil {
				t.Fatal(err)
			}
			n += files
		}
		if n == 0 || time.Now().After(end) {
			return n
		}
	}
}

// makeUploads returns good videos of several sizes and formats, and bad ones.
func makeUploads(t *testing.T) []upload {
	t.Helper()
	var all []upload
	for _, u := range []struct {
		spec samples.Spec
		cut  float64 // part of the file that is uploaded
		code string
	}{
		{samples.Spec{Name: "short.mp4", Seconds: 1}, 1, ""},
		{samples.Spec{Name: "medium.mkv", Seconds: 8, Audio: "libvorbis"}, 1, ""},
		{samples.Spec{Name: "sound.m4a", Seconds: 20, Video: "none"}, 1, ""},
		{samples.Spec{Name: "long.mov", Seconds: 40}, 1, ""},
		{samples.Spec{Name: "film.avi", Seconds: 3, Audio: "libmp3lame -b:a 96k"}, 1, ""},
		{samples.Spec{Name: "silent.mp4", Seconds: 2, Audio: "none"}, 1, "no_audio"},
		{samples.Spec{Name: "cut.mp4", Seconds: 5}, 0.5, "corrupt"},
	} {
		body, err := u.spec.Read(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, upload{u.spec.Name, body[:int(u.cut*float64(len(body)))], u.code})
	}
	return all
}
