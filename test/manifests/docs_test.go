package manifests

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	sourcesv1alpha1 "knative.dev/eventing-rabbitmq/pkg/apis/sources/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
)

// instructions returns the text that tells an operator what to type or to edit: the
// pages about clusters and the comments of the manifests.
func instructions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"README.md", "docs/cluster.md", "docs/operations.md", "rabbitmq/*.md", "knative/*/*.md",
		"rabbitmq/*.yaml", "databases/*.yaml", "knative/*.yaml", "knative/*/*.yaml"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel(root, path)
			found[name] = string(content)
		}
	}
	return found
}

// The files that the instructions name exist.
func TestNamedFilesExist(t *testing.T) {
	named := regexp.MustCompile(`\b[0-9]{3}-[a-z0-9-]+\.yaml\b`)
	for page, text := range instructions(t) {
		for _, file := range named.FindAllString(text, -1) {
			found := false
			for _, folder := range folders {
				_, err := os.Stat(filepath.Join(root, folder, file))
				found = found || err == nil
			}
			if !found {
				t.Errorf("%s: there is no %s", page, file)
			}
		}
	}
}

// In a row of a table, each variable is read by the functions of the files that stand in
// the same cell.
func TestVariablesAreInTheNamedFiles(t *testing.T) {
	objects := readManifests(t)
	name, file := regexp.MustCompile("`([A-Z][A-Z0-9_]{3,})`"), regexp.MustCompile("`([0-9]{3}-[a-z0-9-]+\\.yaml)`")
	checked := 0
	for page, text := range instructions(t) {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "|") {
				continue
			}
			for cell := range strings.SplitSeq(line, "|") {
				for _, f := range file.FindAllStringSubmatch(cell, -1) {
					for _, v := range name.FindAllStringSubmatch(cell, -1) {
						checked++
						if !readsVariable(t, objects, f[1], v[1]) {
							t.Errorf("%s: no function in %s reads %s", page, f[1], v[1])
						}
					}
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("found only %d variables with a file", checked)
	}
}

func readsVariable(t *testing.T, objects []object, file, variable string) bool {
	for _, o := range objects {
		if filepath.Base(o.file) != file {
			continue
		}
		for _, p := range pods([]object{o}) {
			for _, c := range p.spec.Containers {
				if name, ok := strings.CutPrefix(c.Image, imagePrefix); ok {
					if _, ok := variables(t, name)[variable]; ok {
						return true
					}
				}
			}
		}
	}
	return false
}

// A kubectl command names containers, labels, pods and objects that exist.
func TestKubectlCommands(t *testing.T) {
	objects := readManifests(t)
	var containers, labels []string
	for _, p := range pods(objects) {
		for _, c := range p.containers() {
			containers = append(containers, c.Name)
		}
		for key, value := range p.labels {
			labels = append(labels, key, key+"="+value)
		}
	}
	// A placeholder stands for any name.
	known := func(list []string, name string) bool {
		return slices.Contains(list, name) || strings.HasPrefix(name, "$") || name == strings.ToUpper(name)
	}
	container := regexp.MustCompile(` (?:-c|--container)[ =]([^\s]+)`)
	selector := regexp.MustCompile(` (?:-l|--selector)[ =]([^\s]+)`)
	target := regexp.MustCompile(` (exec|port-forward|logs) (?:-it? )?([a-z]+/)?([a-z0-9$][^\s;` + "`" + `]*)`)
	checked := 0
	for page, text := range instructions(t) {
		for _, command := range kubectlCommands(text) {
			checked++
			arguments, _, _ := strings.Cut(command, " -- ") // what follows runs in the pod
			for _, m := range container.FindAllStringSubmatch(arguments, -1) {
				if !known(containers, m[1]) {
					t.Errorf("%s: no container is called %s: %s", page, m[1], command)
				}
			}
			for _, m := range selector.FindAllStringSubmatch(arguments, -1) {
				label := m[1]
				if key, value, _ := strings.Cut(label, "="); strings.HasPrefix(value, "$") {
					label = key
				}
				if !known(labels, label) {
					t.Errorf("%s: no pod has the label %s: %s", page, m[1], command)
				}
			}
			if m := target.FindStringSubmatch(arguments); m != nil && !known(names(objects, m[2]), m[3]) {
				t.Errorf("%s: there is no %s%s: %s", page, m[2], m[3], command)
			}
			if strings.Contains(arguments, "rollout restart") {
				for name := range byName[*servingv1.Service](objects) {
					if strings.HasSuffix(arguments, "/"+name) || strings.HasSuffix(arguments, " "+name) {
						t.Errorf("%s: rollout restart does not work for functions: %s", page, command)
					}
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("found only %d commands", checked)
	}
}

// kubectlCommands returns the kubectl commands in a text, each on one line.
func kubectlCommands(text string) []string {
	text = regexp.MustCompile(`\\\n#?\s*`).ReplaceAllString(text, "")
	return regexp.MustCompile("kubectl -n "+namespace+" [^\n`|]+").FindAllString(text, -1)
}

// names returns the names of the objects of a kind as kubectl's commands write it, such
// as service/; of pods if it is empty.
func names(objects []object, kind string) []string {
	var found []string
	for _, o := range objects {
		switch o.Object.(type) {
		case *appsv1.StatefulSet:
			if kind == "" {
				found = append(found, o.GetName()+"-0")
			}
			if kind == "statefulset/" {
				found = append(found, o.GetName())
			}
		case *corev1.Service:
			if kind == "service/" {
				found = append(found, o.GetName())
			}
		case *batchv1.CronJob:
			if kind == "cronjob/" {
				found = append(found, o.GetName())
			}
		case *sourcesv1alpha1.RabbitmqSource:
			if kind == "rabbitmqsource/" {
				found = append(found, o.GetName())
			}
		}
	}
	return found
}
