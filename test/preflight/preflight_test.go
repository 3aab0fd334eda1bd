// Package preflight tests hack/preflight with the answers of a real cluster, which
// testdata contains. Each case changes one of them.
//
//	go test ./test/preflight -record    # reads them again, from the current cluster
package preflight

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var record = flag.Bool("record", false, "record the answers of the current cluster")

const recorded = "testdata/answers.json"

// answer is what kubectl prints, and its exit status.
type answer struct {
	Out    string
	Status int
}

// answers are those of kubectl by its arguments and, if it reads a manifest, the kind of
// the object.
type answers map[string]answer

func readAnswers(t *testing.T) answers {
	t.Helper()
	content, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	var a answers
	if err := json.Unmarshal(content, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestMain also runs this program as kubectl, with the answers in the file ANSWERS, or as
// a recorder of the program KUBECTL.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "kubectl" {
		os.Exit(kubectl(os.Args[1:]))
	}
	flag.Parse()
	os.Exit(m.Run())
}

var kind = regexp.MustCompile(`(?m)^kind: \w+`)

func kubectl(args []string) int {
	key := strings.Join(args, " ")
	var stdin []byte
	if strings.HasSuffix(key, " -f -") {
		stdin, _ = io.ReadAll(os.Stdin)
		key += " <" + string(kind.Find(stdin))
	}
	content, _ := os.ReadFile(os.Getenv("ANSWERS"))
	known := answers{}
	_ = json.Unmarshal(content, &known)
	if program := os.Getenv("KUBECTL"); program != "" {
		cmd := exec.Command(program, args...)
		cmd.Stdin = strings.NewReader(string(stdin))
		out, _ := cmd.CombinedOutput()
		known[key] = answer{string(out), cmd.ProcessState.ExitCode()}
		content, _ = json.MarshalIndent(known, "", "  ")
		_ = os.WriteFile(os.Getenv("ANSWERS"), append(content, '\n'), 0o644)
	}
	a, ok := known[key]
	if !ok && !strings.Contains(key, "--ignore-not-found") {
		fmt.Fprintln(os.Stderr, "not recorded:", key)
		return 3
	}
	out := os.Stdout
	if a.Status != 0 {
		out = os.Stderr
	}
	fmt.Fprint(out, a.Out)
	return a.Status
}

// preflight runs the script and returns its output and whether it succeeded.
func preflight(t *testing.T, file string, env ...string) (string, bool) {
	t.Helper()
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "ko"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("../../hack/preflight")
	cmd.Env = append(os.Environ(), "PATH="+bin+":/usr/bin:/bin", "KO_DOCKER_REPO=localhost:5000", "ANSWERS="+file)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// change replaces the one answer to a request that contains a text.
type change struct {
	request  string
	old, new string // if old is empty, all of the answer
	status   int
}

func (a answers) apply(t *testing.T, c change) {
	t.Helper()
	n := 0
	for key, was := range maps.Clone(a) {
		if !strings.Contains(key, c.request) {
			continue
		}
		n++
		out := c.new
		if c.old != "" {
			if !strings.Contains(was.Out, c.old) {
				t.Fatalf("the answer to %s does not contain %q: %q", key, c.old, was.Out)
			}
			out = strings.Replace(was.Out, c.old, c.new, 1)
		}
		a[key] = answer{out, c.status}
	}
	if n != 1 {
		t.Fatalf("%d requests contain %q, want 1", n, c.request)
	}
}

func TestPreflight(t *testing.T) {
	if *record {
		program, err := exec.LookPath("kubectl")
		if err != nil {
			t.Fatal(err)
		}
		file, err := filepath.Abs(recorded)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		if out, ok := preflight(t, file, "KUBECTL="+program); !ok {
			t.Fatalf("the current cluster lacks something:\n%s", out)
		}
	}
	const settings = "-n knative-serving configmap "
	noClaims := []change{{request: "pvc data-rabbitmq-0"}, {request: "pvc data-mongodb-0"}, {request: "pvc data-mysql-0"}}
	for _, test := range []struct {
		name    string
		changes []change
		missing string // what the script says; "" if nothing is missing
		advice  string // the command that it prints
	}{
		{"nothing", nil, "", ""},
		{"Kubernetes is old", []change{{"--raw /version", `"minor": "34"`, `"minor": "29"`, 0}}, "Kubernetes is 1.29", ""},
		{"no Serving", []change{{request: "deployment controller"}}, "Knative Serving is not installed", "serving-core.yaml"},
		{"Serving is old", []change{{"deployment controller", "", "1.16.3", 0}}, "Knative Serving is 1.16.3", "serving-core.yaml"},
		{"Serving is new", []change{{"deployment controller", "", "1.21.0", 0}}, "", ""},
		{"no ingress class", []change{{request: settings + "config-network"}}, "class istio.ingress", "kourier.yaml"},
		{"no ingress", []change{{settings + "config-network", "traefik", "contour", 0}}, "class contour.ingress", "kourier.yaml"},
		{"default timeout", []change{{request: settings + "config-defaults"}}, "max-revision-timeout-seconds is 600",
			`patch configmap config-defaults --type=merge -p '{"data":{"max-revision-timeout-seconds":"7200"}}'`},
		{"short timeout", []change{{settings + "config-defaults", "", "3600", 0}}, "max-revision-timeout-seconds is 3600", "patch"},
		{"the webhook does not answer", []change{{"kind: Service", "", `failed calling webhook "webhook.serving.knative.dev": context deadline exceeded`, 1}},
			"context deadline exceeded", "8443"},
		{"no CRD of the queues", []change{{request: "crd queues"}}, "does not start without these CRDs", "rabbitmq.com_queues.yaml"},
		{"no RabbitmqSource", []change{{request: "crd rabbitmqsources"}}, "RabbitmqSource is not installed", "rabbitmq-source.yaml"},
		{"the source's controller is not ready", []change{{request: "deployment rabbitmq-controller-manager"}}, "RabbitmqSource is not installed", ""},
		{"no Eventing", []change{{"can-i", "", "no\n", 1}}, "may not read Knative services", "addressable-resolvers-clusterrole.yaml"},
		{"the source's webhook does not answer", []change{{"kind: RabbitmqSource", "", "failed calling webhook", 1}}, "failed calling webhook", ""},
		{"an older installation", []change{{"rabbitmqsource video", "", "rabbitmq", 0}}, "older installation", "delete rabbitmqsource video mp3"},
		{"no StorageClass", append(noClaims, change{request: "storageclass"}), "data-rabbitmq-0 data-mongodb-0 data-mysql-0", "patch storageclass"},
		{"no volumes yet", noClaims, "", ""},
		{"no StorageClass, but volumes", []change{{request: "storageclass"}}, "", ""},
		{"one core", []change{{"get nodes", "amd64 2 ", "amd64 940m ", 0}}, "940m CPUs", ""},
		{"little memory", []change{{"get nodes", "24581692Ki", "3910000Ki", 0}}, "3818 MiB", ""},
		{"an old kernel", []change{{"get nodes", "6.18.", "5.15.", 0}}, "node (5.15.", "knative/120-converter.yaml"},
		{"an old kernel of two", []change{{"get nodes", "node 6.18.", "a 6.6.1 amd64 2 4Gi true\nnode 6.18.", 0}}, "a (6.6.1)", ""},
		{"another architecture", []change{{"get nodes", "amd64", "s390x", 0}}, "node (s390x)", ""},
		{"no AVX", []change{{"get nodes", "unknown", "false", 0}}, "AVX: node has none", ""},
		{"pods of the source are forbidden", []change{{"kind: Pod", "", `violates PodSecurity "restricted:latest"`, 1}},
			`violates PodSecurity "restricted:latest"`, "pod-security.kubernetes.io/enforce=baseline"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			all := readAnswers(t)
			for _, c := range test.changes {
				all.apply(t, c)
			}
			content, err := json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "answers.json")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			out, ok := preflight(t, file)
			if n, want := strings.Count(out, "  MISSING  "), len(test.missing); (n > 0) != (want > 0) || n > 1 || ok != (n == 0) {
				t.Errorf("%d things are missing, success %v:\n%s", n, ok, out)
			}
			_, rest, _ := strings.Cut(out, "  MISSING  ")
			if !strings.Contains(rest, test.missing) || !strings.Contains(rest, test.advice) {
				t.Errorf("want %q and the advice %q:\n%s", test.missing, test.advice, out)
			}
		})
	}
}

// ko and its registry are found in the environment.
func TestPreflightWithoutRegistry(t *testing.T) {
	file, err := filepath.Abs(recorded)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ env, missing string }{
		{"KO_DOCKER_REPO=", "ko does not know a registry"},
		{"PATH=" + noKo(t), "ko is not installed"},
	} {
		out, ok := preflight(t, file, test.env)
		if ok || strings.Count(out, "MISSING") != 1 || !strings.Contains(out, "MISSING  "+test.missing) {
			t.Errorf("%s: want only %q:\n%s", test.env, test.missing, out)
		}
	}
}

// noKo returns a PATH that has kubectl but no ko.
func noKo(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	return bin + ":/usr/bin:/bin"
}
