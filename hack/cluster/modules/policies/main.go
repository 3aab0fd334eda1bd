// Command policies enforces the cluster's NetworkPolicies. It decides about the first
// packet of each connection, which an iptables rule sends to the queue of its number;
// steps/16-policies.sh adds these rules.
//
// The decisions are those of kube-network-policies. Its own rules are not used: they need
// nftables' queue expression, which not every kernel has, and they exempt connections to
// the node. It logs an error when it cannot add them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	var kubeconfig string
	var queue int
	var node sandboxes
	flag.StringVar(&kubeconfig, "kubeconfig", "", "how to reach the cluster")
	flag.IntVar(&queue, "queue", 0, "number of the netfilter queue")
	flag.StringVar(&node.addresses, "addresses", "", "directory in which the CNI plugin host-local records addresses")
	flag.StringVar(&node.bundles, "bundles", "", "directory of containerd's OCI bundles")
	klog.InitFlags(nil) // -v=2 logs every decision
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, kubeconfig, queue, node); err != nil {
		fmt.Fprintln(os.Stderr, "policies:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string, queue int, node sandboxes) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(client,
		factory.Networking().V1().NetworkPolicies(),
		factory.Core().V1().Namespaces(),
		pods{factory.Core().V1().Pods(), node},
		nil, nil, nil, nil,
		networkpolicy.Config{
			QueueID:     queue,
			NFTableName: "mp3converter-cluster",
			// No node has this name, so the controller adds no rules for any pod.
			NodeName: "none",
		})
	if err != nil {
		return fmt.Errorf("make controller: %w", err)
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}
