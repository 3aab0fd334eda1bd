// Package ffmpeg converts a video, or any other file with sound, to an MP3. It
// runs ffmpeg in a sandbox, because the file may be malicious. It knows nothing
// of jobs, stores or queues.
package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"mp3converter/functions/converter/sandbox"
	"mp3converter/shared/conversion"
)

// Config configures and limits every conversion.
type Config struct {
	FFmpeg      string        `envconfig:"FFMPEG" default:"ffmpeg"`
	FFprobe     string        `envconfig:"FFPROBE" default:"ffprobe"`
	Bitrate     int           `envconfig:"BITRATE" default:"192"`         // kbit/s
	MaxDuration time.Duration `envconfig:"MAX_DURATION" default:"12h"`    // of a video
	MaxTime     time.Duration `envconfig:"MAX_CONVERSION" default:"110m"` // of one attempt
	MaxMemory   uint64        `envconfig:"MAX_MEMORY_BYTES"`              // of each ffmpeg; 0: see NewMemory
	TempDir     string        `envconfig:"TEMP_DIR"`                      // for unfinished MP3s; the system's default if empty
	Sandbox     string        `envconfig:"SANDBOX" default:"besteffort"`  // besteffort or required

	// Conversions is how many run at once at most; 0 means 1. They share the memory.
	Conversions int64 `ignored:"true"`
}

// sandboxRequired is the value of SANDBOX with which ffmpeg never runs without the whole
// sandbox.
const sandboxRequired = "required"

// Validate returns an error that names the variable that is out of range.
func (c Config) Validate() error {
	switch {
	case c.Bitrate < 32 || c.Bitrate > 320:
		return errors.New("BITRATE must be 32 to 320 kbit/s")
	case c.MaxDuration < time.Second:
		return errors.New("MAX_DURATION must be at least 1s")
	case c.MaxTime < time.Second:
		return errors.New("MAX_CONVERSION must be at least 1s")
	case c.MaxMemory != 0 && c.MaxMemory < minProgramMemory:
		return fmt.Errorf("MAX_MEMORY_BYTES must be at least %d", minProgramMemory)
	case c.Sandbox != "" && c.Sandbox != "besteffort" && c.Sandbox != sandboxRequired:
		return errors.New("SANDBOX must be besteffort or required")
	}
	return nil
}

// Converter converts videos. It is safe for concurrent use.
type Converter struct {
	config  Config
	memory  Memory
	stall   time.Duration // limits one read of a video
	running atomic.Int64  // conversions in progress
}

// New returns a Converter, or an error if ffmpeg or ffprobe is not installed, TempDir is not
// writable or the required sandbox is incomplete. It removes what killed processes left in
// TempDir.
func New(cfg Config) (*Converter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for _, program := range []*string{&cfg.FFmpeg, &cfg.FFprobe} {
		if err := resolveProgram(program); err != nil {
			return nil, err
		}
	}
	cfg.TempDir = cmp.Or(cfg.TempDir, os.TempDir())
	if err := prepareTempDir(cfg.TempDir); err != nil {
		return nil, err
	}
	if err := prepareSandbox(cfg.Sandbox == sandboxRequired); err != nil {
		return nil, err
	}
	memory := cfg.memory()
	slog.Info("limits of ffmpeg", "cores", runtime.GOMAXPROCS(0), "encoders", memory.Encoders,
		"program_bytes", memory.Program, "decoder_bytes", memory.Decoder, "encoder_bytes", memory.Encoder)
	return &Converter{config: cfg, memory: memory, stall: stallTimeout}, nil
}

// prepareTempDir checks that TEMP_DIR is writable, and removes what killed processes left.
func prepareTempDir(path string) error {
	dir, err := newTempDir(path)
	if err != nil {
		return fmt.Errorf("TEMP_DIR is not writable: %w", err)
	}
	dir.remove()
	if err := removeAbandoned(path); err != nil {
		slog.Warn("cannot remove the files of a process that was killed", "error", err)
	}
	return nil
}

// prepareSandbox checks what the sandbox can do on this machine, and protects this process
// from the programs in it.
func prepareSandbox(required bool) error {
	if err := checkMissing(sandbox.Missing(), required); err != nil {
		return err
	}
	slog.Info("ffmpeg runs in a sandbox", "restrictions", sandbox.Describe())
	return sandbox.ProtectProcess()
}

func checkMissing(layers []string, required bool) error {
	switch {
	case len(layers) == 0:
	case required:
		return fmt.Errorf("SANDBOX is required, but this machine has no %s; SANDBOX=besteffort runs ffmpeg without", strings.Join(layers, " and no "))
	default:
		slog.Warn("ffmpeg's sandbox is incomplete", "missing", layers)
	}
	return nil
}

// Input is a video to convert.
type Input struct {
	Title string // of the MP3, unless the video or the options have one
	Size  int64  // bytes
	// Open returns a new reader of the video. A regular *os.File is passed to
	// ffmpeg as a descriptor. Anything else is served over loopback HTTP; Open
	// is then called for concurrent requests, possibly concurrently.
	Open func(context.Context) (io.ReadSeekCloser, error)
}

// Result is what a conversion returns. The caller must call Close.
type Result struct {
	MediaInfo *conversion.MediaInfo // nil if the video could not be probed
	MP3       *os.File              // nil after an error
	dir       *tempDir
}

// Close closes and removes the MP3.
func (r *Result) Close() {
	if r.MP3 != nil {
		r.MP3.Close()
	}
	if r.dir != nil {
		r.dir.remove()
	}
}

// Convert converts the video to an MP3 and passes the percentage done to
// progress, which must be safe for concurrent use. A *conversion.Failure in the
// error is final. After any other error another attempt may succeed; if it is
// ErrKilled, the video may be the cause, otherwise it is not. The Result is never nil.
func (c *Converter) Convert(ctx context.Context, video Input, options conversion.Options, progress func(percent int)) (*Result, error) {
	c.running.Add(1)
	defer c.running.Add(-1)
	result := &Result{}
	var err error
	result.dir, err = newTempDir(c.config.TempDir)
	if err != nil {
		return result, fmt.Errorf("working directory: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, cancelTimeout := context.WithTimeoutCause(ctx, c.config.MaxTime, errTooLong)
	defer cancelTimeout()
	clock := newStopwatch()
	in, err := openInput(ctx, &storeReads{open: video.Open, clock: clock, cancel: cancel, stall: c.stall})
	if err != nil {
		return result, err
	}

	r := &conversionRun{
		Config: c.config, memory: c.memory, cores: c.cores(), dir: result.dir.path, out: filepath.Join(result.dir.path, "out.mp3"),
		clock: clock, title: video.Title, size: video.Size, options: options, input: in, progress: progress,
	}
	defer func() { r.input.close() }()
	err = r.convert(ctx)
	result.MediaInfo = r.mediaInfo
	if cause := context.Cause(ctx); cause != nil {
		err = r.classifyEnd(cause)
	}
	if err != nil {
		return result, err
	}
	result.MP3, err = os.Open(r.out)
	if err != nil {
		return result, fmt.Errorf("open MP3: %w", err)
	}
	return result, nil
}

// cores returns one conversion's share of the machine, as far as the memory suffices for
// an encoder on each core.
func (c *Converter) cores() int {
	share := runtime.GOMAXPROCS(0) / max(1, int(c.running.Load()))
	return max(1, min(share, c.memory.Encoders))
}

// conversionRun is the conversion of one video.
type conversionRun struct {
	Config
	memory   Memory
	cores    int
	dir      string // ffmpeg's working directory
	out      string // path of the MP3
	clock    *stopwatch
	title    string
	size     int64
	options  conversion.Options
	input    *input
	progress func(percent int)

	mediaInfo  *conversion.MediaInfo
	plan       *plan
	filters    []string // arguments of ffmpeg for audio filters; may be empty
	cover      cover
	sound      atomic.Int64 // nanoseconds that the current pass has decoded or encoded
	complaints *complaints  // of the program that decoded last
	mended     bool         // ffmpeg reads the video with patches
}

func (r *conversionRun) convert(ctx context.Context) error {
	if r.convertQuick(ctx) {
		return nil
	}
	return r.explainCorrupt(ctx, r.convertPlanned(ctx))
}

// convertPlanned probes the video with ffprobe, plans the conversion and runs it.
func (r *conversionRun) convertPlanned(ctx context.Context) error {
	if r.options.Salvage {
		if err := r.mend(ctx); err != nil {
			return err
		}
	}
	found, err := r.probe(ctx)
	if err != nil {
		return err
	}
	r.mediaInfo = found.mediaInfo()
	r.plan, err = newPlan(found, r.options, r.Bitrate, r.cores)
	if err != nil {
		return err
	}
	if r.mediaInfo.Duration > r.MaxDuration {
		if err := r.measure(ctx); err != nil {
			return err
		}
	}
	return r.encode(ctx)
}

// maxReads is how much a conversion may read from the store before it is ffmpeg that takes
// the time: several times the size of the video, and a few dozen seeks.
func (r *conversionRun) maxReads() int64 { return 4*r.size + 32*openCost }

// classifyEnd returns the error of a conversion whose context has ended. Reaching MaxTime
// is final, unless it was the store that took the time. A video that ffmpeg reads in
// circles is not the store's fault.
func (r *conversionRun) classifyEnd(cause error) error {
	if !errors.Is(cause, errTooLong) {
		return cause
	}
	_, waiting := r.clock.read()
	err := fmt.Errorf("%w: %v, %v of it waiting for the store", cause, r.MaxTime, waiting)
	if waiting < r.MaxTime/100 || r.input.store.bytes.Load() > r.maxReads() {
		return fmt.Errorf("%w: %w", conversion.TimeLimit, err)
	}
	return err
}
