package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clientNamespace holds the pods that act as clients. Pods of the service's namespace may
// not connect to the ingress.
const clientNamespace = "mp3converter-e2e-clients"

// clientPod is the manifest of a client. Its name, namespace and image are filled in.
const clientPod = `---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: client
    image: %s
    command: [sleep, "600"]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// attempts tries to log in, each time with another invented address in the headers, and
// prints the status codes. The image has no curl.
const attempts = `
for i in $(seq "$4"); do
	exec 3<>"/dev/tcp/$1/80"
	printf 'POST /login HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nX-Forwarded-For: 198.51.100.%d\r\nX-Real-Ip: 198.51.100.%d\r\nX-Client-Address: 198.51.100.%d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$2" "$3" "$i" "$i" "$i" >&3
	read -r _ status _ <&3
	echo "$status"
	exec 3>&-
done`

// runAddresses guesses passwords of one account from two pods. The first exhausts its limit
// although it invents an address for each attempt; the second is not affected.
func runAddresses(ctx context.Context, s *suite) error {
	ingress, err := s.cluster.publicIngress(ctx)
	if err != nil {
		return err
	}
	defer s.deleteClients(ctx)
	if err := s.createClients(ctx); err != nil {
		return err
	}
	account := base64.StdEncoding.EncodeToString([]byte("address-" + strings.ToLower(rand.Text()) + "@example.com:a wrong password"))
	guess := func(pod string, times int) ([]string, error) {
		out, err := s.cluster.kubectl(ctx, "-n", clientNamespace, "exec", pod, "--", "bash", "-c", attempts, "bash", ingress, s.host, account, strconv.Itoa(times))
		return strings.Fields(out), err
	}
	// Ten attempts are permitted at once, and one more every six seconds.
	first, err := guess("first", 20)
	if err != nil {
		return err
	}
	fmt.Println("   attempts of the first client:", strings.Join(first, " "))
	if len(first) != 20 || first[0] != "401" || !slices.Contains(first, "429") {
		return errors.New("the first client was not refused: it chose its address")
	}
	second, err := guess("second", 1)
	if err != nil {
		return err
	}
	if !slices.Equal(second, []string{"401"}) {
		return fmt.Errorf("the second client got %v, want 401: both count as one", second)
	}
	return nil
}

// publicIngress returns the address of the public ingress within the cluster.
func (c *cluster) publicIngress(ctx context.Context) (string, error) {
	var ingress struct {
		Status struct {
			PublicLoadBalancer struct {
				Ingress []struct{ IP, DomainInternal string }
			}
		}
	}
	path := "/apis/networking.internal.knative.dev/v1alpha1/namespaces/" + namespace + "/ingresses/gateway"
	if err := c.get(ctx, path, &ingress); err != nil {
		return "", err
	}
	for _, i := range ingress.Status.PublicLoadBalancer.Ingress {
		if i.DomainInternal != "" {
			return i.DomainInternal, nil
		}
		if i.IP != "" {
			return i.IP, nil
		}
	}
	return "", errors.New("the ingress has no address within the cluster")
}

// createClients starts the client pods.
func (s *suite) createClients(ctx context.Context) error {
	image, err := s.cluster.shellImage(ctx)
	if err != nil {
		return err
	}
	manifest := fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", clientNamespace)
	for _, name := range []string{"first", "second"} {
		manifest += fmt.Sprintf(clientPod, name, clientNamespace, image)
	}
	if err := s.cluster.apply(ctx, manifest); err != nil {
		return err
	}
	_, err = s.cluster.kubectl(ctx, "-n", clientNamespace, "wait", "--for=condition=Ready", "--timeout=60s", "pod", "first", "second")
	return err
}

// deleteClients deletes the client pods, even if ctx is done.
func (s *suite) deleteClients(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if _, err := s.cluster.kubectl(ctx, "delete", "namespace", clientNamespace, "--ignore-not-found", "--wait=false"); err != nil {
		fmt.Println("   clients not deleted:", err)
	}
}
