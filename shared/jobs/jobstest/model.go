package jobstest

import (
	"context"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mp3converter/shared/jobs"
)

// RunModel runs the processes of the service, as far as they use the records, against an
// empty store. What they do, in which order, when they die and what becomes of their writes
// is random; that the invariants hold is checked after every change. It runs the given
// number of cases unless RAPID_CHECKS or -rapid.checks says otherwise.
func RunModel(t *testing.T, s jobs.Store, cases int) {
	setDefault(t, "rapid.checks", cases)
	setDefault(t, "rapid.steps", 100)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, s)
		defer w.clear()
		t.Repeat(map[string]func(*rapid.T){
			"upload":       func(*rapid.T) { w.sometimes(2); w.startUpload() },
			"event":        func(*rapid.T) { w.deliver() },
			"event again":  func(*rapid.T) { w.deliver() },
			"step":         func(*rapid.T) { w.run(w.pick(), 3) },
			"steps":        func(*rapid.T) { w.run(w.pick(), 10) },
			"newest":       func(*rapid.T) { w.run(w.newest(), 5) },
			"newest ends":  func(*rapid.T) { w.run(w.newest(), 20) },
			"time":         func(*rapid.T) { w.advance(draw(w, "time", delays...)) },
			"lease ends":   func(*rapid.T) { w.endLeases() },
			"long time":    func(*rapid.T) { w.sometimes(10); w.advance(draw(w, "long time", time.Hour, 25*time.Hour)) },
			"janitor":      func(*rapid.T) { w.start("janitor", (*process).janitor) },
			"sweep":        func(*rapid.T) { w.start("janitor", (*process).orphans) },
			"files age":    func(*rapid.T) { w.advance(fileAge); w.complete(w.start("janitor", (*process).orphans)) },
			"cancel":       func(*rapid.T) { w.sometimes(3); w.ask((*process).cancel, anyJob) },
			"delete":       func(*rapid.T) { w.sometimes(3); w.ask((*process).delete, anyJob) },
			"delete kept":  func(*rapid.T) { w.sometimes(3); w.ask((*process).delete, hasKept) },
			"retry":        func(*rapid.T) { w.ask((*process).retry, failed) },
			"retry kept":   func(*rapid.T) { w.ask((*process).retry, hasKept) },
			"resend":       func(*rapid.T) { w.sometimes(3); w.resendOne() },
			"process dies": func(*rapid.T) { w.sometimes(2); w.end(w.pick()) },
			"drain":        func(*rapid.T) { w.drain() },
			"restart":      func(*rapid.T) { w.sometimes(20); w.restart() },
			"":             func(t *rapid.T) { w.report() },
		})
		w.settle()
		w.report()
	})
}

var delays = []time.Duration{time.Second, 5 * time.Minute, 5 * time.Second, 30 * time.Second}

// setDefault sets a flag that is set neither on the command line nor by its variable.
func setDefault(t *testing.T, name string, value int) {
	t.Helper()
	set := os.Getenv(strings.ToUpper(strings.ReplaceAll(name, ".", "_"))) != ""
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	if set {
		return
	}
	if err := flag.Set(name, strconv.Itoa(value)); err != nil {
		t.Fatal(err)
	}
}

// clear ends the case.
func (w *world) clear() {
	for len(w.running) > 0 {
		w.end(w.running[0])
	}
	for _, id := range w.order {
		w.store.Delete(context.Background(), id)
	}
}

// report fails the test if an invariant is broken.
func (w *world) report() {
	w.checkFiles()
	for _, owner := range w.owners {
		if !w.waits(owner) {
			delete(w.passed, owner)
		}
	}
	if w.failure != "" {
		w.t.Fatalf("%s\nafter\n%s", w.failure, strings.Join(w.log, "\n"))
	}
}

// sometimes skips an action unless it is one of n.
func (w *world) sometimes(n int) {
	if !draw(w, "sometimes", append(make([]bool, n-1), true)...) {
		w.t.Skip()
	}
}

// endLeases lets the leases expire that are not renewed. The janitor may run at once.
func (w *world) endLeases() {
	w.advance(policy.Lease)
	if draw(w, "the janitor runs", true, false) {
		w.complete(w.start("janitor", (*process).janitor))
	}
}

// complete runs a process to its end.
func (w *world) complete(p *process) {
	for slices.Contains(w.running, p) {
		w.step(p)
	}
}

func (w *world) startUpload() {
	owner := draw(w, "owner", w.owners...)
	k := draw(w, "kind", good, good, corrupt, deadly, heavy)
	for range draw(w, "uploads", 1, 1, 1, 1, 1, 1, 5) {
		w.start("upload", func(p *process) { p.upload(owner, k) })
	}
}

// deliver takes a message from a queue. It may stay there, as one that is delivered twice.
func (w *world) deliver() {
	if len(w.queue) == 0 {
		w.t.Skip()
	}
	i := rapid.IntRange(0, len(w.queue)-1).Draw(w.t, "message")
	m := w.queue[i]
	if m.queue == "video" && w.count("convert") >= workers {
		w.t.Skip()
	}
	if !draw(w, "twice", false, false, false, true) {
		w.queue = append(w.queue[:i:i], w.queue[i+1:]...)
	}
	if !draw(w, "lost", false, false, false, true) {
		w.handle(m)
	}
}

func (w *world) handle(m message) {
	if m.queue == "video" {
		w.start("convert", func(p *process) { p.convert(m.job) })
		return
	}
	w.start("notify", func(p *process) { p.notify(m.job) })
}

func (w *world) count(kind string) (n int) {
	for _, p := range w.running {
		if p.kind == kind {
			n++
		}
	}
	return n
}

// pick returns a random process.
func (w *world) pick() *process {
	if len(w.running) == 0 {
		w.t.Skip()
	}
	return w.running[rapid.IntRange(0, len(w.running)-1).Draw(w.t, "process")]
}

// newest returns one of the latest processes, so that others stand still for long.
func (w *world) newest() *process {
	if len(w.running) == 0 {
		w.t.Skip()
	}
	return w.running[len(w.running)-1-rapid.IntRange(0, min(len(w.running)-1, 2)).Draw(w.t, "newest")]
}

// run runs a process up to one of its next calls.
func (w *world) run(p *process, most int) {
	for range rapid.IntRange(1, most).Draw(w.t, "calls") {
		w.step(p)
	}
}

// drain asks a process to stop, or tells it to stop now.
func (w *world) drain() {
	p := w.pick()
	if p.kind != "convert" {
		w.t.Skip()
	}
	p.draining, p.stopping = true, p.draining
}
