package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// logEntry is a line of a function's log.
type logEntry struct {
	Time         time.Time
	Msg          string
	Job          string
	Milliseconds int64 `json:"ms"`
	Cores        int64
}

// logEntries returns the log of a function's pods.
func (s *suite) logEntries(ctx context.Context, function string, since time.Time) ([]logEntry, error) {
	out, err := s.cluster.kubectl(ctx, "logs", "-l", "serving.knative.dev/service="+function, "-c", function,
		"--tail=-1", "--max-log-requests=100", "--since-time="+since.UTC().Add(-time.Second).Format(time.RFC3339))
	if err != nil {
		return nil, err
	}
	var entries []logEntry
	for line := range strings.Lines(out) {
		var e logEntry
		if json.Unmarshal([]byte(line), &e) == nil {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// checkAttempts records how busy the converters were after the last upload, and checks that
// none encodes on more cores than its limit.
func (s *suite) checkAttempts(ctx context.Context, since, lastUpload time.Time, converters int, cores int64) error {
	entries, err := s.logEntries(ctx, "converter", since)
	if err != nil {
		return err
	}
	ratio, err := poolEfficiency(entries, lastUpload, converters)
	if err != nil {
		return err
	}
	s.recordFigure("burst: last upload to last job ÷ ideal", ratio)
	for _, e := range entries {
		if cores > 0 && e.Cores > cores {
			return fmt.Errorf("a converter encodes on %d cores, its limit is %d", e.Cores, cores)
		}
	}
	return nil
}

// poolEfficiency compares the time from the last upload to the end of the last attempt with
// the ideal: the time that the converters would have taken for the same attempts if all
// of them had been busy all the time.
func poolEfficiency(entries []logEntry, lastUpload time.Time, converters int) (ratio float64, err error) {
	var end time.Time
	var busy time.Duration
	for _, e := range entries {
		if e.Msg != "attempt ended" || e.Time.Before(lastUpload) {
			continue
		}
		if e.Time.After(end) {
			end = e.Time
		}
		busy += min(time.Duration(e.Milliseconds)*time.Millisecond, e.Time.Sub(lastUpload))
	}
	if busy == 0 {
		return 0, fmt.Errorf("the converters' log has no attempt that ended after the last upload")
	}
	return end.Sub(lastUpload).Seconds() / (busy.Seconds() / float64(converters)), nil
}

// readBytes returns how many bytes of videos the converters have read from GridFS, by pod.
func (c *cluster) readBytes(ctx context.Context) (map[string]float64, error) {
	var list struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	if err := c.get(ctx, "/api/v1/namespaces/"+namespace+"/pods?labelSelector=serving.knative.dev%2Fservice%3Dconverter", &list); err != nil {
		return nil, err
	}
	bytes := map[string]float64{}
	for _, i := range list.Items {
		name := i.Metadata.Name
		metrics, err := c.getRaw(ctx, "/api/v1/namespaces/"+namespace+"/pods/"+name+":9464/proxy/metrics")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(metrics)) {
			value, ok := strings.CutPrefix(line, `mp3converter_gridfs_read_bytes_total{database="videos"} `)
			if !ok {
				continue
			}
			var n float64
			if _, err := fmt.Sscan(value, &n); err != nil {
				return nil, err
			}
			bytes[name] = n
		}
	}
	return bytes, nil
}
