// Package logs makes the one logger of a process: JSON lines (or text, for a
// person at a terminal) in which every line that was written on behalf of a
// request or a job names it.
package logs

import (
	"context"
	"io"
	"log/slog"
)

// New returns a logger that writes to w. Format is "json" or "text"; level is
// the lowest that is written, "info" if empty or unknown.
func New(w io.Writer, format, level string) *slog.Logger {
	var options slog.HandlerOptions
	var lowest slog.Level
	if lowest.UnmarshalText([]byte(level)) == nil {
		options.Level = lowest
	}
	var h slog.Handler = slog.NewJSONHandler(w, &options)
	if format == "text" {
		h = slog.NewTextHandler(w, &options)
	}
	return slog.New(handler{h})
}

type key struct{}

// With returns a context whose log lines carry the given attributes as well.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	old, _ := ctx.Value(key{}).([]slog.Attr)
	return context.WithValue(ctx, key{}, append(old[:len(old):len(old)], attrs...))
}

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if attrs, ok := ctx.Value(key{}).([]slog.Attr); ok {
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name)}
}
