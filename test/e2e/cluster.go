package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"

	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
)

const namespace = "mp3converter"

// functions are the services that scale to zero.
var functions = []string{"gateway", "auth", "converter", "notification"}

// cluster reads the Kubernetes API through one `kubectl proxy`. A kubectl process
// for each request would use as much processor time as a conversion.
type cluster struct {
	context string // of kubectl
	api     string
	proxy   *exec.Cmd
	http    http.Client
}

// connect opens the cluster of the current context, if that has the given name.
func connect(ctx context.Context, name string) (*cluster, error) {
	out, err := exec.CommandContext(ctx, "kubectl", "config", "current-context").Output()
	if err != nil {
		return nil, fmt.Errorf("kubectl config current-context: %w", err)
	}
	if current := strings.TrimSpace(string(out)); current != name {
		return nil, fmt.Errorf("the current context is %q, and these tests delete pods there; to confirm, set -context or MP3_E2E_CONTEXT to its name (it is %q)", current, name)
	}
	return proxy(ctx, name)
}

func proxy(ctx context.Context, name string) (*cluster, error) {
	cmd := exec.Command("kubectl", "--context", name, "proxy", "--port=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("kubectl: %w", err)
	}
	c := &cluster{context: name, proxy: cmd, http: http.Client{Timeout: 20 * time.Second}}
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "Starting to serve on ")
	if err != nil || !ok {
		c.close()
		return nil, fmt.Errorf("kubectl proxy printed %q: %w", line, err)
	}
	c.api = "http://" + address
	if err := c.get(ctx, "/api/v1/namespaces/"+namespace, nil); err != nil {
		c.close()
		return nil, fmt.Errorf("read the namespace (is the service deployed?): %w", err)
	}
	return c, nil
}

func (c *cluster) close() {
	c.proxy.Process.Kill()
	c.proxy.Wait()
}

// get decodes an object of the API into v, unless v is nil.
func (c *cluster) get(ctx context.Context, path string, v any) error {
	body, err := c.getRaw(ctx, path)
	if err != nil || v == nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (c *cluster) getRaw(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.api+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %.200s", path, resp.Status, body)
	}
	return body, nil
}

// secret returns one value of a Secret.
func (c *cluster) secret(ctx context.Context, name, key string) (string, error) {
	data, err := c.secretData(ctx, name)
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	value, ok := data[key]
	if !ok {
		return "", fmt.Errorf("secret %s has no key %q", name, key)
	}
	return string(value), nil
}

// secretData returns all values of a Secret.
func (c *cluster) secretData(ctx context.Context, name string) (map[string][]byte, error) {
	var secret struct{ Data map[string][]byte }
	err := c.get(ctx, "/api/v1/namespaces/"+namespace+"/secrets/"+name, &secret)
	return secret.Data, err
}

// patch changes an object of the API by a strategic merge.
func (c *cluster) patch(ctx context.Context, path, patch string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, c.api+path, strings.NewReader(patch))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/strategic-merge-patch+json")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return nil
}

// kubectl runs one command and returns its output.
func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "kubectl", append([]string{"--context", c.context, "-n", namespace}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}

// apply applies a manifest.
func (c *cluster) apply(ctx context.Context, manifest string) error {
	cmd := exec.CommandContext(ctx, "kubectl", "--context", c.context, "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// podCounts are numbers of pods by function.
type podCounts struct {
	existing map[string]int // including those that are starting or terminating
	ready    map[string]int
	desired  map[string]int // by the autoscaler
}

func (c *cluster) pods(ctx context.Context) (podCounts, error) {
	p := podCounts{map[string]int{}, map[string]int{}, map[string]int{}}
	var list struct {
		Items []struct {
			Metadata struct {
				Labels            map[string]string
				DeletionTimestamp string
			}
			Status struct {
				Phase      string
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := c.get(ctx, "/api/v1/namespaces/"+namespace+"/pods?labelSelector=serving.knative.dev%2Fservice", &list); err != nil {
		return p, err
	}
	for _, i := range list.Items {
		name := i.Metadata.Labels["serving.knative.dev/service"]
		p.existing[name]++
		for _, condition := range i.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" && i.Metadata.DeletionTimestamp == "" {
				p.ready[name]++
			}
		}
	}
	var deployments struct {
		Items []struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct{ Replicas int }
		}
	}
	if err := c.get(ctx, "/apis/apps/v1/namespaces/"+namespace+"/deployments?labelSelector=serving.knative.dev%2Fservice", &deployments); err != nil {
		return p, err
	}
	for _, i := range deployments.Items {
		p.desired[i.Metadata.Labels["serving.knative.dev/service"]] += i.Spec.Replicas
	}
	return p, nil
}

// waitScaledToZero waits until the named functions have no desired and no ready pods. Pods may still be terminating, but the next request is a cold
// start.
func (c *cluster) waitScaledToZero(ctx context.Context, names ...string) error {
	return poll(ctx, 500*time.Millisecond, func() (bool, error) {
		p, err := c.pods(ctx)
		if err != nil {
			return false, err
		}
		for _, name := range names {
			if p.desired[name] > 0 || p.ready[name] > 0 {
				return false, fmt.Errorf("%s: %d pods desired, %d ready", name, p.desired[name], p.ready[name])
			}
		}
		return true, nil
	})
}

// waitNoPods waits until no function has a pod, terminating ones included.
func (c *cluster) waitNoPods(ctx context.Context) error {
	return poll(ctx, time.Second, func() (bool, error) {
		p, err := c.pods(ctx)
		if err != nil {
			return false, err
		}
		for _, name := range functions {
			if p.existing[name] > 0 {
				return false, fmt.Errorf("%s: %d pods exist", name, p.existing[name])
			}
		}
		return true, nil
	})
}

// shellImage returns an image that has bash and that the node has already: RabbitMQ's.
func (c *cluster) shellImage(ctx context.Context) (string, error) {
	return c.kubectl(ctx, "get", "statefulset", "rabbitmq", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
}

// service returns a function.
func (c *cluster) service(ctx context.Context, name string) (servingv1.Service, error) {
	var service servingv1.Service
	err := c.get(ctx, "/apis/serving.knative.dev/v1/namespaces/"+namespace+"/services/"+name, &service)
	return service, err
}

// waitNoPodsIn waits until a namespace has no pods.
func (c *cluster) waitNoPodsIn(ctx context.Context, namespace string) error {
	return poll(ctx, 500*time.Millisecond, func() (bool, error) {
		var list struct{ Items []struct{} }
		if err := c.get(ctx, "/api/v1/namespaces/"+namespace+"/pods", &list); err != nil {
			return false, err
		}
		return len(list.Items) == 0, fmt.Errorf("%d pods in namespace %s", len(list.Items), namespace)
	})
}

// queue returns how many messages of a queue are waiting, and how many are delivered
// but not acknowledged.
func (c *cluster) queue(ctx context.Context, name string) (waiting, delivered float64, err error) {
	body, err := c.getRaw(ctx, "/api/v1/namespaces/"+namespace+"/services/rabbitmq:prometheus/proxy/metrics/detailed?family=queue_coarse_metrics")
	if err != nil {
		return 0, 0, err
	}
	found := false
	for line := range strings.Lines(string(body)) {
		if !strings.Contains(line, `queue="`+name+`"`) {
			continue
		}
		fields := strings.Fields(line)
		var value float64
		if _, err := fmt.Sscan(fields[len(fields)-1], &value); err != nil {
			continue
		}
		switch metric, _, _ := strings.Cut(line, "{"); metric {
		case "rabbitmq_detailed_queue_messages_ready":
			waiting, found = value, true
		case "rabbitmq_detailed_queue_messages_unacked":
			delivered = value
		}
	}
	if !found {
		return 0, 0, errors.New("RabbitMQ reports no metrics of the queue " + name)
	}
	return waiting, delivered, nil
}
