package ffmpeg

import (
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"mp3converter/functions/converter/parallel"
)

const (
	// maxProgramMemory is ample for any video.
	maxProgramMemory = 2 << 30
	// minProgramMemory is what most videos need.
	minProgramMemory = 128 << 20
	// minDecoderMemory is the same for a program that neither shows nor writes a picture.
	// ffmpeg 5 takes 40 to 60 MiB of private memory to decode, 120 MiB with loudnorm.
	minDecoderMemory = 160 << 20
	// encoderMemory is for an encoder, which reads PCM only and takes about 50 MiB.
	encoderMemory = 96 << 20
)

// Memory says how much private memory the programs of one conversion may have, in bytes.
type Memory struct {
	Program  uint64 // one program that runs alone
	Decoder  uint64 // one program that runs beside the encoders
	Encoder  uint64 // each encoder
	Encoders int    // that fit beside each other
}

// NewMemory divides the memory of a machine or container, in bytes, among this process,
// which has a share for its heap, and its concurrent conversions. All of them fit, with a
// tenth to spare for what the kernel uses on their behalf.
func NewMemory(total, heap uint64, conversions int64) Memory {
	available := total - total/10
	available -= min(heap, available)
	share := available / uint64(max(1, conversions))
	m := Memory{Program: min(max(share, minProgramMemory), maxProgramMemory), Encoder: encoderMemory, Encoders: 1}
	rest := func(encoders int) uint64 {
		return share - min(share, uint64(encoders)*encoderMemory+parallel.BufferSize(encoders))
	}
	for rest(m.Encoders+1) >= minDecoderMemory {
		m.Encoders++
	}
	m.Decoder = min(max(rest(m.Encoders), minProgramMemory), maxProgramMemory)
	return m
}

// Peak returns the most memory that a conversion takes outside of this process's heap.
func (m Memory) Peak() uint64 {
	if m.Encoders == 1 {
		return m.Program
	}
	return max(m.Program, m.Decoder+uint64(m.Encoders)*m.Encoder+parallel.BufferSize(m.Encoders))
}

// systemMemory returns the memory of this container or machine, and how much of it this
// process has for its heap: GOMEMLIMIT, or a quarter without it.
func systemMemory() (total, heap uint64) {
	total, err := memlimit.FromSystem()
	if err != nil {
		total = 1 << 30 // unknown
	}
	if limit, err := memlimit.FromCgroup(); err == nil {
		total = min(total, limit)
	}
	heap = uint64(debug.SetMemoryLimit(-1))
	if heap >= total {
		heap = total / 4
	}
	return total, heap
}

// memory returns the limits of a conversion.
func (c Config) memory() Memory {
	total, heap := systemMemory()
	m := NewMemory(total, heap, c.Conversions)
	if c.MaxMemory > 0 {
		m.Program, m.Decoder, m.Encoder = c.MaxMemory, c.MaxMemory, c.MaxMemory
	}
	return m
}
