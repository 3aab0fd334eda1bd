package ffmpeg

import (
	"strings"
	"testing"

	"mp3converter/functions/converter/sandbox"
	"mp3converter/shared/conversion"
	"mp3converter/test/samples"
)

func TestSandboxVariable(t *testing.T) {
	for value, valid := range map[string]bool{"": true, "besteffort": true, "required": true, "off": false, "REQUIRED": false} {
		cfg := newConverter(t).config
		cfg.Sandbox = value
		if err := cfg.Validate(); (err == nil) != valid || !valid && !strings.Contains(err.Error(), "SANDBOX") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// A required sandbox that is incomplete ends the process with an error that says what is
// missing, and what the variable is.
func TestIncompleteSandbox(t *testing.T) {
	layers := []string{"Landlock", "seccomp filters"}
	if err := checkMissing(layers, false); err != nil {
		t.Errorf("besteffort: %v", err)
	}
	if err := checkMissing(nil, true); err != nil {
		t.Errorf("nothing missing: %v", err)
	}
	err := checkMissing(layers, true)
	if err == nil {
		t.Fatal("required: no error")
	}
	for _, want := range append(layers, "SANDBOX", "besteffort") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %s", err, want)
		}
	}
}

// With a required sandbox, each program requires it too.
func TestRequiredSandbox(t *testing.T) {
	if missing := sandbox.Missing(); len(missing) > 0 {
		t.Skip("this machine has no ", missing)
	}
	c := newConverter(t, func(cfg *Config) { cfg.Sandbox = sandboxRequired })
	video := fileInput(t, makeSample(t, samples.Spec{Name: "short.mp4"}))
	if _, _, err := convertInput(t, c, video, conversion.Options{}); err != nil {
		t.Error(err)
	}
	r := newRun(t, c, video, plannedOptions)
	r.plan = &plan{}
	if !r.command(r.FFmpeg, nil).policy().Required {
		t.Error("a program does not require the sandbox")
	}
	if args := r.encoderCommand(t.Context(), nil).Args; !strings.Contains(args[1], `"Required":true`) {
		t.Errorf("an encoder does not require the sandbox: %v", args)
	}
}
