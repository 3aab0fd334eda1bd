package sandbox

import (
	"math/bits"
	"testing"
)

// A kernel refuses a ruleset with a right that it does not know, and a right
// that is not named here is not taken away.
func TestRightsOfEachVersion(t *testing.T) {
	for version, want := range []struct{ files, network, scope int }{
		{}, {13, 0, 0}, {14, 0, 0}, {15, 0, 0}, {15, 2, 0}, {16, 2, 0}, {16, 2, 2}, {16, 2, 2}, {16, 2, 2}, {17, 2, 2}, {17, 4, 2}, {17, 4, 2},
	} {
		got := rightsOf(version)
		for what, c := range map[string]struct {
			set  uint64
			want int
		}{"files": {got.files, want.files}, "network": {got.network, want.network}, "scope": {got.scope, want.scope}} {
			if c.set != 1<<c.want-1 {
				t.Errorf("version %d: %d rights of %s (%#x), want the first %d", version, bits.OnesCount64(c.set), what, c.set, c.want)
			}
		}
	}
}

// What the rules give, every version of Landlock can have taken away, except
// what only later ones know.
func TestRulesetsOfOlderKernels(t *testing.T) {
	newest := landlockVersion()
	for version := 1; version <= newest; version++ {
		r, err := newRuleset(rightsOf(version))
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		dir := t.TempDir()
		if err := r.allowProgram("/proc/self/exe"); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
		if err := r.allowWork(order{Policy: Policy{Dir: dir, Port: 1}}); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
		r.close()
	}
}
