// Package logs creates the logger of a process: JSON lines, or text for a terminal,
// with attributes from the context such as the request and the job.
package logs

import (
	"context"
	"io"
	"log/slog"
	"slices"
)

// New returns a logger that writes to w. Format is "json" or "text"; level is the
// minimum level, "info" if empty or unknown.
func New(w io.Writer, format, level string) *slog.Logger {
	var options slog.HandlerOptions
	var minLevel slog.Level
	if minLevel.UnmarshalText([]byte(level)) == nil {
		options.Level = minLevel
	}
	var h slog.Handler = slog.NewJSONHandler(w, &options)
	if format == "text" {
		h = slog.NewTextHandler(w, &options)
	}
	return slog.New(handler{h})
}

type key struct{}

// With returns a context that adds the attributes to its log lines. They replace those of
// the same key.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	old, _ := ctx.Value(key{}).([]slog.Attr)
	kept := slices.DeleteFunc(slices.Clone(old), func(a slog.Attr) bool {
		return slices.ContainsFunc(attrs, func(b slog.Attr) bool { return a.Key == b.Key })
	})
	return context.WithValue(ctx, key{}, append(kept, attrs...))
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
