package manifests

import (
	"os"
	"regexp"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"mp3converter/functions/converter/ffmpeg"
)

// The processes of all conversions in a pod fit into its memory limit, with an encoder
// for each core of its CPU limit.
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
	cores := f.container.Resources.Limits.Cpu().MilliValue()
	if m.Program < 256<<20 || int64(m.Encoders)*1000 < cores {
		t.Errorf("%d MiB are too little for a conversion on %d millicores: %+v", limit>>20, cores, m)
	}
	// A part of a core has no encoder, but takes time from other pods.
	if cores < 1000 || cores%1000 != 0 {
		t.Errorf("the CPU limit is %d millicores, want whole cores", cores)
	}
}

// memoryRow is a row of the table in docs/conversion.md: cores, memory limit.
var memoryRow = regexp.MustCompile(`(?m)^\| (\d+) \| (\d+Mi) \|$`)

// The documented memory limits have room for an encoder on each core. Without a CPU limit
// there are as many encoders as fit, on however many cores.
func TestMemoryForCores(t *testing.T) {
	f, _ := findFunction(t, "converter")
	heap := uint64(integer(t, goMemoryLimit.FindStringSubmatch(envValue(t, f.spec, "GOMEMLIMIT"))[1])) << 20
	text, err := os.ReadFile("../../docs/conversion.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[int]uint64{}
	for _, row := range memoryRow.FindAllStringSubmatch(string(text), -1) {
		memory := resource.MustParse(row[2])
		documented[int(integer(t, row[1]))] = uint64(memory.Value())
	}
	for _, cores := range []int{1, 2, 8, 32} {
		limit := documented[cores]
		m := ffmpeg.NewMemory(limit, heap, 1)
		if m.Encoders < cores {
			t.Errorf("%d MiB have room for %d encoders, want %d", limit>>20, m.Encoders, cores)
		}
		if sum := heap + m.Peak(); sum > limit {
			t.Errorf("%d cores take %d MiB, the limit is %d", cores, sum>>20, limit>>20)
		}
	}
}

// Without it, a kernel that lacks a layer of the sandbox would go unnoticed.
func TestSandboxIsRequired(t *testing.T) {
	f, _ := findFunction(t, "converter")
	if v := f.setting(t, "SANDBOX"); v != "required" {
		t.Errorf("SANDBOX is %s, want required", v)
	}
}

// RabbitMQ stops publishers above the watermark, which leaves room for the commands of
// the probes. Three times the write-ahead log and a node's 150 MiB stay below it.
func TestRabbitMQFitsIntoMemory(t *testing.T) {
	objects := readManifests(t)
	conf := byName[*corev1.ConfigMap](objects)["rabbitmq"].Data["rabbitmq.conf"]
	value := func(key, unit string) int64 {
		m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(key) + ` = (\d+)` + unit + `$`).FindStringSubmatch(conf)
		if m == nil {
			t.Fatalf("rabbitmq.conf sets no %s in the unit %q", key, unit)
		}
		return integer(t, m[1])
	}
	watermark := value("vm_memory_high_watermark.absolute", "MiB") << 20
	limit := byName[*appsv1.StatefulSet](objects)["rabbitmq"].Spec.Template.Spec.Containers[0].Resources.Limits.Memory().Value()
	if node := 150<<20 + 3*value("raft.wal_max_size_bytes", ""); node > watermark {
		t.Errorf("a node with a full write-ahead log takes %d MiB, the watermark is %d MiB", node>>20, watermark>>20)
	}
	if watermark > limit*3/5 {
		t.Errorf("the watermark is %d MiB, the limit %d MiB", watermark>>20, limit>>20)
	}
}
