package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
)

func TestContextAttributes(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, "json", "").With("function", "gateway")
	ctx := With(context.Background(), slog.String("request", "r1"))
	inner := With(ctx, slog.String("job", "j1"))
	With(ctx, slog.String("job", "another")) // must not show in inner
	log.InfoContext(inner, "hello")

	if again := With(inner, slog.String("job", "j1")); len(again.Value(key{}).([]slog.Attr)) != 2 {
		t.Error("an attribute that is set again occurs twice")
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"function": "gateway", "request": "r1", "job": "j1", "msg": "hello"} {
		if line[k] != want {
			t.Errorf("%s = %v, want %s", k, line[k], want)
		}
	}
}
