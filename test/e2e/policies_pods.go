package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// lookAlikes are pods with the labels and the service accounts of the real ones.
var lookAlikes = []struct{ name, label, account string }{
	{"auth", "serving.knative.dev/service: auth", "auth"},
	{"gateway", "serving.knative.dev/service: gateway", "gateway"},
	{"converter", "serving.knative.dev/service: converter", "converter"},
	{"notification", "serving.knative.dev/service: notification", "notification"},
	{"janitor", "app: janitor", "janitor"},
	{"source", "eventing.knative.dev/source: rabbitmq-source-controller", "rabbitmq-source"},
	{"unknown", "app: unknown", "default"},
}

const foreignNamespace = "mp3converter-e2e-policies"

// lookAlikePod is the manifest of a pod. Its name, namespace, label, service account,
// image and command are filled in.
const lookAlikePod = `---
apiVersion: v1
kind: Pod
metadata: {name: e2e-%s, namespace: %s, labels: {mp3converter.com/e2e: policies, %s}}
spec:
  serviceAccountName: %s
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 0
  activeDeadlineSeconds: 900
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: shell
    image: %s
    command: %s
    resources: {requests: {cpu: 5m, memory: 16Mi}}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

const (
	idle = `[sleep, infinity]`
	// listen accepts connections on MongoDB's port; RabbitMQ's image has Erlang.
	listen = `[erl, -noinput, -eval, "{ok, L} = gen_tcp:listen(27017, [{reuseaddr, true}]), F = fun(F) -> {ok, _} = gen_tcp:accept(L), F(F) end, F(F)."]`
)

func (p *policyTest) createPods(ctx context.Context) error {
	if err := p.deletePods(ctx); err != nil {
		return err
	}
	var manifest strings.Builder
	fmt.Fprintf(&manifest, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", foreignNamespace)
	for _, pod := range lookAlikes {
		fmt.Fprintf(&manifest, lookAlikePod, pod.name, namespace, pod.label, pod.account, p.image, idle)
	}
	// The labels of a function do not help a pod of another namespace.
	fmt.Fprintf(&manifest, lookAlikePod, "foreign", foreignNamespace, "serving.knative.dev/service: converter", "default", p.image, idle)
	fmt.Fprintf(&manifest, lookAlikePod, "store", foreignNamespace, "app: mongodb", "default", p.image, listen)
	// Fails until the new namespace has its default service account.
	created := func() (bool, error) {
		err := p.cluster.apply(ctx, manifest.String())
		return err == nil, err
	}
	if err := poll(ctx, time.Second, created); err != nil {
		return err
	}
	for _, ns := range []string{namespace, foreignNamespace} {
		if _, err := p.cluster.kubectl(ctx, "-n", ns, "wait", "pod", "-l", "mp3converter.com/e2e=policies", "--for=condition=Ready", "--timeout=90s"); err != nil {
			return err
		}
	}
	return nil
}

// runningPod waits for a ready pod of a function.
func (p *policyTest) runningPod(ctx context.Context, function string) (string, error) {
	var name string
	err := poll(ctx, 300*time.Millisecond, func() (bool, error) {
		var list podList
		if err := p.cluster.get(ctx, "/api/v1/namespaces/"+namespace+"/pods?labelSelector=serving.knative.dev%2Frevision,serving.knative.dev%2Fservice%3D"+function, &list); err != nil {
			return false, err
		}
		for _, pod := range list.Items {
			if pod.Metadata.DeletionTimestamp == "" && pod.Status.PodIP != "" && pod.Status.Phase == "Running" {
				name = pod.Metadata.Name
				return true, nil
			}
		}
		return false, fmt.Errorf("%s: no pod is running", function)
	})
	return name, err
}

type podList struct {
	Items []struct {
		Metadata struct{ Name, DeletionTimestamp string }
		Status   struct{ Phase, PodIP string }
	}
}

// podIP returns the address of a pod.
func (p *policyTest) podIP(ctx context.Context, ns, pod string) (string, error) {
	ip, err := p.cluster.kubectl(ctx, "-n", ns, "get", "pod", pod, "-o", "jsonpath={.status.podIP}")
	if err == nil && ip == "" {
		err = fmt.Errorf("pod %s has no address", pod)
	}
	return ip, err
}

// deletePods deletes what createPods created, also in an earlier run.
func (p *policyTest) deletePods(ctx context.Context) error {
	_, err := p.cluster.kubectl(ctx, "delete", "pod", "-l", "mp3converter.com/e2e=policies", "--timeout=60s")
	_, errNamespace := p.cluster.kubectl(ctx, "delete", "namespace", foreignNamespace, "--ignore-not-found", "--timeout=60s")
	return errors.Join(err, errNamespace)
}

// connectScript tries all destinations at the same time. A line of the output is the
// number of a destination and whether it accepted the connection. The DNS server is that
// of the pod.
const connectScript = `
while read -r key value; do [ "$key" != nameserver ] || dns=$value; done </etc/resolv.conf
try() {
    host=$2
    [ "$host" != dns ] || host=$dns
    if timeout 4 bash -c "exec 3<>/dev/tcp/$host/$3" 2>/dev/null; then echo "$1 yes"; else echo "$1 no"; fi
}
`

// connect tries all destinations from one origin.
func (p *policyTest) connect(ctx context.Context, from origin) (map[string]bool, error) {
	script := connectScript
	for i, to := range p.destinations {
		script += fmt.Sprintf("try %d %s %s &\n", i, to.host, to.port)
	}
	script += "wait\n"
	run := p.exec
	if from.ephemeral {
		run = p.debug
	}
	out, err := run(ctx, from, script)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.name, err)
	}
	results := map[string]bool{}
	for line := range strings.Lines(out) {
		var i int
		var answer string
		if _, err := fmt.Sscan(line, &i, &answer); err == nil && i < len(p.destinations) {
			results[p.destinations[i].name] = answer == "yes"
		}
	}
	if len(results) != len(p.destinations) {
		return nil, fmt.Errorf("%s: %d of %d results: %q", from.name, len(results), len(p.destinations), out)
	}
	return results, nil
}

func (p *policyTest) exec(ctx context.Context, from origin, script string) (string, error) {
	return p.cluster.kubectl(ctx, "-n", from.namespace, "exec", from.pod, "--", "bash", "-c", script)
}

// ephemeralContainer is a patch. Its name, image and script are filled in.
const ephemeralContainer = `{"spec": {"ephemeralContainers": [{
	"name": %q, "image": %q, "command": ["bash", "-c", %s],
	"securityContext": {"runAsUser": 65532, "runAsNonRoot": true, "allowPrivilegeEscalation": false,
		"capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}}]}}`

// debug runs the script in an ephemeral container of the pod, and returns its log.
func (p *policyTest) debug(ctx context.Context, from origin, script string) (string, error) {
	quoted, err := json.Marshal(script)
	if err != nil {
		return "", err
	}
	container := fmt.Sprintf("e2e-%d", p.attempts)
	path := "/api/v1/namespaces/" + from.namespace + "/pods/" + from.pod
	if err := p.cluster.patch(ctx, path+"/ephemeralcontainers", fmt.Sprintf(ephemeralContainer, container, p.image, quoted)); err != nil {
		return "", err
	}
	// Knative may remove the pod meanwhile; then another one is tried.
	ctx, cancel := context.WithTimeout(ctx, time.Duration(30*p.timeoutFactor)*time.Second)
	defer cancel()
	var log []byte
	err = poll(ctx, 300*time.Millisecond, func() (bool, error) {
		var err error
		log, err = p.cluster.getRaw(ctx, path+"/log?container="+container)
		return err == nil && strings.Count(string(log), "\n") >= len(p.destinations), err
	})
	return string(log), err
}
