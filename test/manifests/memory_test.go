package manifests

import (
	"testing"

	"mp3converter/functions/converter/ffmpeg"
)

// The processes of all conversions in a pod fit into its memory limit, and a long video
// is encoded by several.
func TestConversionsFitIntoMemory(t *testing.T) {
	f, _ := findFunction(t, "converter")
	if v := f.setting(t, "MAX_MEMORY_BYTES"); v != "" {
		t.Errorf("MAX_MEMORY_BYTES is %s; want it derived from the limit", v)
	}
	limit := uint64(f.container.Resources.Limits.Memory().Value())
	heap := uint64(integer(t, goMemoryLimit.FindStringSubmatch(envValue(t, f.spec, "GOMEMLIMIT"))[1])) << 20
	conversions := integer(t, f.setting(t, "CONVERSIONS"))
	m := ffmpeg.NewMemory(limit, heap, conversions)
	if sum := heap + uint64(conversions)*m.Peak(); sum > limit {
		t.Errorf("GOMEMLIMIT and ffmpeg take %d MiB, the limit is %d", sum>>20, limit>>20)
	}
	// ffmpeg takes 146 MiB for a frame of a 4K video.
	if m.Program < 256<<20 || m.Encoders < 2 {
		t.Errorf("%d MiB are too little for a conversion: %+v", limit>>20, m)
	}
}

// Without it, a kernel that lacks a layer of the sandbox would go unnoticed.
func TestSandboxIsRequired(t *testing.T) {
	f, _ := findFunction(t, "converter")
	if v := f.setting(t, "SANDBOX"); v != "required" {
		t.Errorf("SANDBOX is %s, want required", v)
	}
}
