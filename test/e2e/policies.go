package main

import (
	"bytes"
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
// noticed.
func runPolicies(ctx context.Context, s *suite) (err error) {
	p, err := newPolicyTest(ctx, s)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, p.close(context.WithoutCancel(ctx)))
	}()
	if err := p.createPods(ctx); err != nil {
		return err
	}
	if err := p.check(ctx); err != nil {
		return err
	}
	p.print()
	return p.checkExternalStore(ctx)
}

// origin is a pod from which connections are tried.
type origin struct {
	name, namespace, pod string
	// ephemeral adds a container to the pod, because its own have no shell.
	ephemeral bool
}

// destination is an address, and the names of the origins that can connect to it; the
// others cannot.
type destination struct {
	name, host, port string
	from             []string
}

// Names of origins and destinations.
const (
	realGateway   = "gateway (Knative's pod)"
	realConverter = "converter (Knative's pod)"
	foreign       = "another namespace"
	thisMachine   = "this machine, outside the cluster"
	otherDatabase = "another namespace's database"
)

type policyTest struct {
	*suite
	image        string // has bash
	origins      []origin
	destinations []destination
	listener     net.Listener
	external     bool // external-stores.yaml is applied
	attempts     int
}

func newPolicyTest(ctx context.Context, s *suite) (*policyTest, error) {
	image, err := s.cluster.shellImage(ctx)
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

// check tries all connections until the results are those of the table: a plugin may
// apply the policies of a new pod late, and Knative may remove a pod.
func (p *policyTest) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(180*p.timeoutFactor)*time.Second)
	defer cancel()
	var last error
	return poll(ctx, time.Second, func() (bool, error) {
		p.attempts++
		err := p.checkOnce(ctx)
		if err != nil && ctx.Err() == nil {
			last = err
			fmt.Printf("   attempt %d: %s\n", p.attempts, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		return err == nil, last
	})
}

func (p *policyTest) checkOnce(ctx context.Context) error {
	if err := p.findOrigins(ctx); err != nil {
		return err
	}
	if err := p.findDestinations(ctx); err != nil {
		return err
	}
	results := make([]map[string]bool, len(p.origins))
	errs := make([]error, len(p.origins))
	var group sync.WaitGroup
	for i, from := range p.origins {
		group.Go(func() { results[i], errs[i] = p.connect(ctx, from) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return p.compare(results)
}

// findOrigins lists the pods. An upload starts the real gateway and converter.
func (p *policyTest) findOrigins(ctx context.Context) error {
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
	p.origins = nil
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
	return nil
}

// findDestinations returns the table of permitted connections.
func (p *policyTest) findDestinations(ctx context.Context) error {
	ips := map[string]string{}
	for _, c := range append(slices.Clone(p.origins), origin{otherDatabase, foreignNamespace, "e2e-store", false}) {
		ip, err := p.podIP(ctx, c.namespace, c.pod)
		if err != nil {
			return err
		}
		ips[c.name] = ip
	}
	node, err := p.cluster.kubectl(ctx, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if err != nil {
		return err
	}
	host, port, err := p.ownAddress()
	if err != nil {
		return err
	}
	everyone := make([]string, len(p.origins))
	for i, c := range p.origins {
		everyone[i] = c.name
	}
	p.destinations = []destination{
		{"DNS", "dns", "53", everyone},
		{"MongoDB", "mongodb." + namespace, "27017", []string{realGateway, "gateway", realConverter, "converter", "notification", "janitor", "mongodb"}},
		{"RabbitMQ", "rabbitmq." + namespace, "5672", []string{realGateway, "gateway", realConverter, "converter", "janitor", "source"}},
		{"MySQL", "mysql." + namespace, "3306", []string{"auth"}},
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
		{thisMachine, host, port, []string{foreign}},
		{otherDatabase, ips[otherDatabase], "27017", []string{foreign}},
	}
	if p.external {
		p.destinations[len(p.destinations)-1].from = []string{realGateway, "gateway", realConverter, "converter", "notification", "janitor", foreign}
	}
	return nil
}

// ownAddress returns the address at which this program listens, as other machines see
// it.
func (p *policyTest) ownAddress() (host, port string, err error) {
	_, port, err = net.SplitHostPort(p.listener.Addr().String())
	if err != nil {
		return "", "", err
	}
	// Chooses the address by the route to the Internet. Nothing is sent.
	conn, err := net.Dial("udp", "192.0.2.1:9")
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	host, _, err = net.SplitHostPort(conn.LocalAddr().String())
	return host, port, err
}

// compare returns an error for each result that differs from the table.
func (p *policyTest) compare(results []map[string]bool) error {
	var errs []error
	for i, from := range p.origins {
		if from.name == "unknown" && results[i]["MongoDB"] && results[i]["MySQL"] && results[i]["Kubernetes"] {
			return errors.New("this cluster does not enforce NetworkPolicies: a pod that may not connect to anything reaches MongoDB, MySQL and the API server; use a network plugin that enforces them, such as Calico or Cilium")
		}
		for _, to := range p.destinations {
			if strings.EqualFold(from.name, to.name) {
				continue // a plugin may exempt a pod's connections to itself
			}
			switch want, got := slices.Contains(to.from, from.name), results[i][to.name]; {
			case got && !want:
				errs = append(errs, fmt.Errorf("%s can connect to %s", from.name, to.name))
			case want && !got && to.name == thisMachine: // behind NAT, for example
				fmt.Printf("   not tested: the cluster cannot reach %s\n", to.name)
			case want && !got:
				errs = append(errs, fmt.Errorf("%s cannot connect to %s", from.name, to.name))
			}
		}
	}
	return errors.Join(errs...)
}

// print prints the table of connections.
func (p *policyTest) print() {
	for _, from := range p.origins {
		var names []string
		for _, to := range p.destinations {
			if slices.Contains(to.from, from.name) {
				names = append(names, to.name)
			}
		}
		fmt.Printf("   %s: %s\n", from.name, strings.Join(names, ", "))
	}
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
	p.external = true
	if err := p.check(ctx); err != nil {
		return fmt.Errorf("with external-stores.yaml: %w", err)
	}
	fmt.Println("   with external-stores.yaml: the functions reach MongoDB in another namespace")
	return nil
}

func (p *policyTest) close(ctx context.Context) error {
	p.listener.Close()
	return p.deletePods(ctx)
}
