// Package crashes kills the processes of the service after each of their durable
// effects and checks that every promise is kept. FAULTS=all runs all points of both sets
// of stores; otherwise some points of the one program run, chosen at random.
package crashes

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/test/faults/service"
)

var all = os.Getenv("FAULTS") == "all"

// quickPoints is how many points run without FAULTS=all.
const quickPoints = 3

// reachTimeout is how long a process may take to pass a point once what leads there has
// happened. The janitor of a laptop runs every 15 s.
const reachTimeout = time.Minute

func TestLaptop(t *testing.T) {
	programs := service.Build(t)
	recorded := start(t, service.StartLaptop(t, programs, service.Laptop{Crashing: true}), "crash of the one program after each durable effect")
	points := recorded.record(t, all)
	if !all {
		seed := uint64(time.Now().UnixNano())
		t.Logf("%d points, seed %d", len(points), seed)
		r := rand.New(rand.NewPCG(seed, 0))
		r.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		for _, p := range points[:quickPoints] {
			recorded.round(t, p)
		}
		recorded.ledger.Settle(t.Context())
		recorded.ledger.Save(t)
		return
	}
	const parallel = 3
	runs := []*run{recorded}
	for range parallel - 1 {
		runs = append(runs, start(t, service.StartLaptop(t, programs, service.Laptop{Crashing: true}), "crash of the one program after each durable effect"))
	}
	var wg sync.WaitGroup
	for i, r := range runs {
		wg.Go(func() {
			for n := i; n < len(points); n += parallel {
				r.round(t, points[n])
			}
			r.ledger.Settle(t.Context())
			r.Finish(t, r.ledger)
		})
	}
	wg.Wait()
}

func TestCluster(t *testing.T) {
	if !all {
		t.Skip("FAULTS=all is not set")
	}
	c := service.StartCluster(t, service.Build(t), true)
	r := start(t, c.Service, "crash of a function after each durable effect")
	for _, p := range r.record(t, true) {
		r.round(t, p)
	}
	r.ledger.Settle(t.Context())
	r.Finish(t, r.ledger, r.storeAway(t))
}

// storeAway lets the store of MP3s refuse everything for longer than the queue delivers
// a message again.
func (r *run) storeAway(t *testing.T) *service.Ledger {
	t.Helper()
	l := r.NewLedger("cluster: the store of MP3s is away")
	upload := func() {
		if _, err := r.user.MustUpload(t.Context(), l, service.Good); err != nil {
			t.Error(err)
		}
	}
	l.Disturb(func() {
		defer r.fail(t, "audio.Put")()
		for range 8 {
			upload()
			time.Sleep(10 * time.Second)
		}
	})
	upload()
	l.Settle(t.Context())
	return l
}

// run crashes the processes of one service.
type run struct {
	*service.Service
	user   *service.User
	ledger *service.Ledger
	users  int
	rounds int
}

func start(t *testing.T, s *service.Service, name string) *run {
	t.Helper()
	r := &run{Service: s, user: s.NewUser(t), ledger: s.NewLedger(name)}
	if err := r.user.Join(t.Context(), "planter@example.com"); err != nil {
		t.Fatal(err)
	}
	return r
}

// record lets the service do all that it does, and returns the points that it passes.
// Only with janitor they include those of the janitor, which take longer.
func (r *run) record(t *testing.T, janitor bool) []string {
	t.Helper()
	r.live(t)
	heal := r.fail(t, "audio.Put")
	r.uploadOne(t)
	waitFor(t, "a postponed job", func() bool { return r.passed(t, "converting to queued") })
	heal()
	if janitor {
		heal := r.fail(t, "queue.Wake")
		r.plantAll(t)
		waitFor(t, "lost wake-ups", func() bool { return r.passed(t, "wake-up sent") })
		heal()
		r.plantAll(t)
		r.killMain()
		waitFor(t, "the janitor", func() bool {
			return r.passed(t, "jobs.Delete") && r.passed(t, "removeOrphans: videos.Delete") && r.passed(t, "removeOrphans: audio.Delete")
		})
	}
	r.ledger.Settle(t.Context())
	points, err := r.Control.Passed()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(points)
	points = slices.Compact(points)
	if !janitor {
		points = slices.DeleteFunc(points, func(p string) bool { return strings.HasPrefix(p, "janitor: ") })
	}
	t.Logf("%d points:\n%s", len(points), strings.Join(points, "\n"))
	return points
}

func (r *run) passed(t *testing.T, part string) bool {
	t.Helper()
	points, err := r.Control.Passed()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(points, func(p string) bool { return strings.Contains(p, part) })
}

// live lets a new user do everything once.
func (r *run) live(t *testing.T) {
	t.Helper()
	r.users++
	if err := r.NewUser(t).Live(t.Context(), r.ledger, fmt.Sprintf("user%d@example.com", r.users)); err != nil {
		t.Errorf("a user: %v", err)
	}
}

// uploadOne uploads one video.
func (r *run) uploadOne(t *testing.T) {
	t.Helper()
	if _, err := r.user.MustUpload(t.Context(), r.ledger, service.Good); err != nil {
		t.Error(err)
	}
}

// plantAll stores work for the janitor.
func (r *run) plantAll(t *testing.T) {
	t.Helper()
	if err := r.user.PlantOrphans(t.Context(), r.Service); err != nil {
		t.Error(err)
	}
	if err := r.user.PlantDue(t.Context(), r.ledger, r.Service); err != nil {
		t.Error(err)
	}
}

// round crashes the process that passes the point, and waits until it serves again.
func (r *run) round(t *testing.T, point string) {
	t.Helper()
	began := time.Now()
	defer func() { t.Logf("%5.1f s  %s", time.Since(began).Seconds(), point) }()
	crashed := false
	r.ledger.Disturb(func() {
		for range 3 {
			if err := r.Control.Arm(point); err != nil {
				t.Error(err)
				return
			}
			if crashed = r.lead(t, point); crashed {
				return
			}
		}
	})
	r.WaitReady(t)
	switch {
	case crashed:
		r.rounds++
		r.ledger.SetRuns(r.rounds)
	case strings.Contains(point, "lease renewed"), strings.HasPrefix(point, "converter: failExhausted"):
		t.Logf("%s depends on the time, and was not reached again", point)
	default:
		t.Errorf("%s was not reached again", point)
	}
}

// lead does what leads to the point, and reports whether a process has crashed there.
func (r *run) lead(t *testing.T, point string) bool {
	t.Helper()
	timeout := reachTimeout
	for suffix, effect := range map[string]string{"converting to queued": "audio.Put", "wake-up sent": "queue.Wake"} {
		if strings.HasSuffix(point, suffix) {
			defer r.fail(t, effect)()
		}
	}
	switch {
	case strings.Contains(strings.ToLower(point), "recover"):
		if err := r.user.PlantQueued(t.Context(), r.ledger, r.Service); err != nil {
			t.Error(err)
		}
		r.killMain()
	case strings.HasPrefix(point, "janitor: removeOrphans"):
		r.plantAll(t)
		r.killMain()
	case strings.HasPrefix(point, "janitor: "):
		r.plantAll(t)
	case strings.HasPrefix(point, "converter: failExhausted"):
		r.plantAll(t)
		r.live(t) // an event takes the exhausted job before the janitor does
		timeout = 5 * time.Second
	case strings.HasSuffix(point, "converting to queued"):
		r.uploadOne(t)
	default:
		r.live(t)
		timeout = 5 * time.Second
	}
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !r.Control.Armed(point) {
			return true
		}
	}
	return !r.Control.Disarm(point)
}

// fail lets an effect fail until heal is called.
func (r *run) fail(t *testing.T, effect string) (heal func()) {
	t.Helper()
	if err := r.Control.Fail(effect); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := r.Control.Heal(effect); err != nil {
			t.Error(err)
		}
	}
}

// killMain restarts the program of a laptop, which recovers and removes orphans when it
// starts. The janitor of a cluster runs all the time.
func (r *run) killMain() {
	if p := r.Processes["mp3converter"]; p != nil {
		p.Kill()
	}
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}
