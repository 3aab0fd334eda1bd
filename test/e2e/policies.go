package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// runPolicies tries to connect from every kind of pod to every kind of destination.
// Every destination is within reach of at least one pod, so one that is down is
// noticed. Connections are tried until all results are as expected, because a plugin
// may apply the policies of a new pod late.
func runPolicies(ctx context.Context, s *suite) (err error) {
	p, err := newPolicyTest(ctx, s)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, p.close(context.WithoutCancel(ctx)))
	}()
	if err := p.start(ctx); err != nil {
		return err
	}
	if err := p.checkAll(ctx); err != nil {
		return err
	}
	for _, from := range p.origins {
		fmt.Printf("   %s: %s\n", from.name, cmp.Or(strings.Join(p.reachable(from), ", "), "nothing"))
	}
	return p.checkExternalStore(ctx)
}

// origin is a pod from which connections are tried.
type origin struct {
	name, namespace, pod string
	// ephemeral adds a container to the pod, because its own have no shell.
	ephemeral bool
}

// destination is an address and the names of the origins that can connect to it. All
// other origins must not be able to.
type destination struct {
	name, host, port string
	from             []string
}

// Names of origins and of a destination.
const (
	realGateway   = "gateway (Knative's pod)"
	realConverter = "converter (Knative's pod)"
	foreign       = "another namespace"
	otherDatabase = "another namespace's database"
)

type policyTest struct {
	*suite
	image        string // has bash
	origins      []origin
	destinations []destination
	listener     net.Listener
	containers   int // ephemeral containers so far
}

func newPolicyTest(ctx context.Context, s *suite) (*policyTest, error) {
	image, err := s.cluster.kubectl(ctx, "get", "statefulset", "rabbitmq", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return &policyTest{suite: s, image: image, listener: listener}, nil
}

// start creates the pods and determines the destinations.
func (p *policyTest) start(ctx context.Context) error {
	if err := p.createPods(ctx); err != nil {
		return err
	}
	// Real pods: an upload starts the gateway and the converter.
	if err := p.user.ensureLogin(ctx); err != nil {
		return err
	}
	video, _, err := p.burstVideo()
	if err != nil {
		return err
	}
	if _, err := p.user.Upload(ctx, "policies.mp4", bytes.NewReader(video)); err != nil {
		return err
	}
	for _, real := range []struct{ function, name string }{{"gateway", realGateway}, {"converter", realConverter}} {
		pod, err := p.runningPod(ctx, real.function)
		if err != nil {
			return err
		}
		p.origins = append(p.origins, origin{real.name, namespace, pod, true})
	}
	for _, pod := range lookAlikes {
		p.origins = append(p.origins, origin{pod.name, namespace, "e2e-" + pod.name, false})
	}
	for _, store := range []string{"mongodb", "rabbitmq", "mysql"} {
		p.origins = append(p.origins, origin{store, namespace, store + "-0", false})
	}
	p.origins = append(p.origins, origin{foreign, foreignNamespace, "e2e-foreign", false})
	p.destinations, err = p.findDestinations(ctx)
	return err
}

// findDestinations returns the table of permitted connections.
func (p *policyTest) findDestinations(ctx context.Context) ([]destination, error) {
	ips := map[string]string{}
	for _, c := range append(slices.Clone(p.origins), origin{otherDatabase, foreignNamespace, "e2e-store", false}) {
		ip, err := p.podIP(ctx, c.namespace, c.pod)
		if err != nil {
			return nil, err
		}
		ips[c.name] = ip
	}
	node, err := p.cluster.kubectl(ctx, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if err != nil {
		return nil, err
	}
	everyone := make([]string, len(p.origins))
	for i, c := range p.origins {
		everyone[i] = c.name
	}
	all := []destination{
		{"DNS", "dns", "53", everyone},
		{"MongoDB", "mongodb." + namespace, "27017", []string{realGateway, "gateway", realConverter, "converter", "notification", "janitor", "mongodb"}},
		{"RabbitMQ", "rabbitmq." + namespace, "5672", []string{realGateway, "gateway", realConverter, "converter", "janitor", "source", "rabbitmq"}},
		{"MySQL", "mysql." + namespace, "3306", []string{"auth", "mysql"}},
		{"auth through the ingress", "auth." + namespace, "80", []string{realGateway, "gateway", "source", foreign}},
		// From the pod itself, to show that something listens there.
		{"RabbitMQ's management", ips["rabbitmq"], "15672", []string{"rabbitmq"}},
		{"RabbitMQ's metrics", ips["rabbitmq"], "15692", []string{"rabbitmq"}},
		{"RabbitMQ's epmd", ips["rabbitmq"], "4369", []string{"rabbitmq"}},
		{"RabbitMQ's distribution", ips["rabbitmq"], "25672", []string{"rabbitmq"}},
		{"the gateway's pod", ips[realGateway], "8012", []string{realGateway}},
		{"the converter's pod", ips[realConverter], "8012", []string{realConverter}},
		{"Kubernetes", "kubernetes.default", "443", []string{foreign}},
		{"a node", node, "10250", []string{foreign}},
		{otherDatabase, ips[otherDatabase], "27017", []string{foreign}},
	}
	outside, err := p.ownAddress(node)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(outside)
	return append(all, destination{"this machine", host, port, []string{foreign}}), nil
}

// ownAddress returns the address at which this program listens, as pods reach it.
func (p *policyTest) ownAddress(node string) (string, error) {
	_, port, err := net.SplitHostPort(p.listener.Addr().String())
	if err != nil {
		return "", err
	}
	// The route to the node chooses the address; nothing is sent.
	conn, err := net.Dial("udp", net.JoinHostPort(node, "9"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	return net.JoinHostPort(host, port), err
}

// checkAll connects from every origin to every destination until the results are those
// of the table.
func (p *policyTest) checkAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	return poll(ctx, time.Second, func() (bool, error) {
		results := make([]map[string]bool, len(p.origins))
		errs := make([]error, len(p.origins))
		var group sync.WaitGroup
		for i, from := range p.origins {
			p.containers++
			name := fmt.Sprintf("e2e-%d", p.containers)
			group.Go(func() { results[i], errs[i] = p.connect(ctx, from, name) })
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			return false, err
		}
		err := p.compare(results)
		return err == nil, err
	})
}

// compare returns an error for each result that differs from the table.
func (p *policyTest) compare(results []map[string]bool) error {
	var errs []error
	for i, from := range p.origins {
		if from.name == "unknown" && results[i]["MongoDB"] && results[i]["MySQL"] && results[i]["Kubernetes"] {
			return errors.New("this cluster does not enforce NetworkPolicies: a pod that none of them allows to connect reaches MongoDB, MySQL and the API server; a network plugin such as Calico or Cilium enforces them")
		}
		for _, to := range p.destinations {
			switch want, got := slices.Contains(to.from, from.name), results[i][to.name]; {
			case got && !want:
				errs = append(errs, fmt.Errorf("%s can connect to %s", from.name, to.name))
			case want && !got:
				errs = append(errs, fmt.Errorf("%s cannot connect to %s", from.name, to.name))
			}
		}
	}
	return errors.Join(errs...)
}

// reachable lists the destinations that an origin can connect to.
func (p *policyTest) reachable(from origin) []string {
	var names []string
	for _, to := range p.destinations {
		if slices.Contains(to.from, from.name) {
			names = append(names, to.name)
		}
	}
	return names
}

// checkExternalStore applies the policies for databases outside the namespace, in the
// form for another namespace: the functions that use MongoDB can then connect to the
// one there, and nobody else.
func (p *policyTest) checkExternalStore(ctx context.Context) error {
	file, err := os.ReadFile("knative/network/external-stores.yaml")
	if err != nil {
		return err
	}
	block := regexp.MustCompile(`ipBlock: \{.*?\}`)
	policies := block.ReplaceAllString(string(file), "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "+foreignNamespace+"}}")
	if policies == string(file) {
		return errors.New("knative/network/external-stores.yaml has no ipBlock")
	}
	if err := p.cluster.apply(ctx, policies); err != nil {
		return err
	}
	defer p.cluster.kubectl(context.WithoutCancel(ctx), "delete", "--ignore-not-found", "-f", "knative/network/external-stores.yaml")
	for i, to := range p.destinations {
		if to.name == otherDatabase {
			p.destinations[i].from = []string{realGateway, "gateway", realConverter, "converter", "notification", "janitor", foreign}
		}
	}
	if err := p.checkAll(ctx); err != nil {
		return fmt.Errorf("with external-stores.yaml: %w", err)
	}
	fmt.Println("   with external-stores.yaml: the functions reach MongoDB in another namespace")
	return nil
}

func (p *policyTest) close(ctx context.Context) error {
	p.listener.Close()
	return p.deletePods(ctx)
}
