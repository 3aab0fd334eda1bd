package sweep

import "log/slog"

// Report counts what a run did.
type Report struct {
	ConversionWakes   int // wake-ups sent for conversions
	NotificationWakes int // wake-ups sent for notifications
	Failed            int // jobs that have used up their attempts
	Expired           int // jobs deleted
	Videos            int // videos deleted of failed jobs that were not retried in time
	Orphans           int // files deleted
}

type count struct {
	name string
	n    int
}

func (r Report) counts() []count {
	return []count{
		{"conversion_wakes", r.ConversionWakes}, {"notification_wakes", r.NotificationWakes},
		{"failed", r.Failed}, {"expired", r.Expired}, {"videos", r.Videos}, {"orphans", r.Orphans},
	}
}

// LogValue returns the counts that are not zero.
func (r Report) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, c := range r.counts() {
		if c.n > 0 {
			attrs = append(attrs, slog.Int(c.name, c.n))
		}
	}
	return slog.GroupValue(attrs...)
}
