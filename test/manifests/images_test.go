package manifests

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// function is a pod that runs one of the functions.
type function struct {
	pod
	function  string // its folder in functions/
	container corev1.Container
}

const imagePrefix = "ko://mp3converter/functions/"

func functions(t *testing.T) []function {
	t.Helper()
	var found []function
	for _, p := range pods(readManifests(t)) {
		for _, c := range p.spec.Containers {
			if name, ok := strings.CutPrefix(c.Image, imagePrefix); ok {
				found = append(found, function{p, name, c})
			}
		}
	}
	if len(found) < 6 {
		t.Fatalf("only %d containers run a function", len(found))
	}
	return found
}

func TestImagesArePrograms(t *testing.T) {
	deployed := map[string]bool{}
	for _, f := range functions(t) {
		deployed[f.function] = true
		main := filepath.Join(root, "functions", f.function, "main.go")
		content, err := os.ReadFile(main)
		if err != nil || !regexp.MustCompile(`(?m)^package main$`).Match(content) {
			t.Errorf("%s: its image is built from functions/%s, which has no package main (%v)", f.name, f.function, err)
		}
	}
	programs, err := filepath.Glob(filepath.Join(root, "functions", "*", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, main := range programs {
		if name := filepath.Base(filepath.Dir(main)); !deployed[name] {
			t.Errorf("functions/%s is not deployed", name)
		}
	}
}

// Other images need a patch version and a digest: a restart must not upgrade a store, and
// the same source must give the same image.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-\w+)*@sha256:[0-9a-f]{64}$`)

func TestOtherImagesArePinned(t *testing.T) {
	for _, p := range pods(readManifests(t)) {
		for _, c := range p.containers() {
			if !strings.HasPrefix(c.Image, imagePrefix) && !pinned.MatchString(c.Image) {
				t.Errorf("%s: image %q has no patch version and digest", p.name, c.Image)
			}
		}
	}
}

type koConfig struct {
	DefaultBaseImage   string            `json:"defaultBaseImage"`
	BaseImageOverrides map[string]string `json:"baseImageOverrides"`
	DefaultPlatforms   []string          `json:"defaultPlatforms"`
	DefaultEnv         []string          `json:"defaultEnv"`
	DefaultFlags       []string          `json:"defaultFlags"`
	DefaultLdflags     []string          `json:"defaultLdflags"`
}

func TestKoConfiguration(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "ko.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c koConfig
	if err := yaml.UnmarshalStrict(content, &c); err != nil {
		t.Fatalf("ko.yaml: %v", err)
	}
	if c.BaseImageOverrides["mp3converter/functions/converter"] == "" || len(c.BaseImageOverrides) != 1 {
		t.Error("ko.yaml: baseImageOverrides must be for the converter only")
	}
	for name, image := range c.BaseImageOverrides {
		if !pinned.MatchString(image) {
			t.Errorf("ko.yaml: the base image %q of %s has no patch version and digest", image, name)
		}
	}
	// Distroless images have no versions.
	if !regexp.MustCompile(`^gcr[.]io/distroless/\S+:nonroot@sha256:[0-9a-f]{64}$`).MatchString(c.DefaultBaseImage) {
		t.Errorf("ko.yaml: defaultBaseImage %q has no digest", c.DefaultBaseImage)
	}
	if !slices.ContainsFunc(c.DefaultEnv, regexp.MustCompile(`^GOTOOLCHAIN=go\d+\.\d+\.\d+$`).MatchString) {
		t.Errorf("ko.yaml: defaultEnv %v does not name the version of Go", c.DefaultEnv)
	}
	if strings.Join(c.DefaultPlatforms, ",") != "linux/amd64,linux/arm64" {
		t.Errorf("ko.yaml: defaultPlatforms are %v, want linux/amd64 and linux/arm64", c.DefaultPlatforms)
	}
	if target, err := os.Readlink(filepath.Join(root, ".ko.yaml")); err != nil || target != "ko.yaml" {
		t.Errorf(".ko.yaml must be a link to ko.yaml, because ko reads only .ko.yaml (%q, %v)", target, err)
	}
}
