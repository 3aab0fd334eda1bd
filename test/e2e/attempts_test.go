package main

import (
	"math"
	"testing"
	"time"
)

func TestPoolEfficiency(t *testing.T) {
	uploaded := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	attempt := func(from, to float64) logEntry {
		return logEntry{Msg: "attempt ended", Time: uploaded.Add(time.Duration(to * 1e9)), Milliseconds: int64((to - from) * 1e3)}
	}
	for name, tc := range map[string]struct {
		log  []logEntry
		want float64
	}{
		"always busy":               {[]logEntry{attempt(0, 5), attempt(5, 10), attempt(0, 10)}, 1},
		"one idle at the end":       {[]logEntry{attempt(0, 5), attempt(0, 10)}, 4.0 / 3},
		"pauses between attempts":   {[]logEntry{attempt(0, 4), attempt(6, 10), attempt(0, 4), attempt(6, 10)}, 1.25},
		"begun before last upload":  {[]logEntry{attempt(-5, 10), attempt(-1, 10)}, 1},
		"ended before last upload":  {[]logEntry{attempt(-9, -1), attempt(0, 10), attempt(0, 10)}, 1},
		"other messages in the log": {[]logEntry{{Msg: "job claimed", Time: uploaded.Add(time.Hour)}, attempt(0, 10), attempt(0, 10)}, 1},
	} {
		got, err := poolEfficiency(tc.log, uploaded, 2)
		if err != nil || math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: %v, %v; want %v", name, got, err, tc.want)
		}
	}
	if _, err := poolEfficiency(nil, uploaded, 2); err == nil {
		t.Error("no error without attempts")
	}
}
