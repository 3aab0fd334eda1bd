package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// pods is an informer whose index by address also finds pods that kubelet has not
// reported yet. A pod connects to its stores as soon as it starts, and the API server
// learns its address up to a second later.
type pods struct {
	coreinformers.PodInformer
	node sandboxes
}

func (p pods) Informer() cache.SharedIndexInformer {
	return informer{p.PodInformer.Informer(), p.node}
}

type informer struct {
	cache.SharedIndexInformer
	node sandboxes
}

func (i informer) GetIndexer() cache.Indexer {
	return indexer{i.SharedIndexInformer.GetIndexer(), i.node}
}

type indexer struct {
	cache.Indexer
	node sandboxes
}

// ByIndex prefers the pod that has the address on this node: the API server may still
// list a finished pod that had it before.
func (i indexer) ByIndex(name, address string) ([]any, error) {
	if key, ok := i.node.pod(address); ok {
		if pod, exists, err := i.GetByKey(key); err == nil && exists {
			return []any{pod}, nil
		}
	}
	return i.Indexer.ByIndex(name, address)
}

// sandboxes reads from the node's files which pod has an address.
type sandboxes struct{ addresses, bundles string }

// pod returns the key of a pod, NAMESPACE/NAME.
func (s sandboxes) pod(address string) (key string, ok bool) {
	owner, err := os.ReadFile(filepath.Join(s.addresses, address))
	if err != nil {
		return "", false
	}
	sandbox, _, _ := strings.Cut(string(owner), "\r\n") // the interface's name follows
	file, err := os.ReadFile(filepath.Join(s.bundles, sandbox, "config.json"))
	if err != nil {
		return "", false
	}
	var bundle struct{ Annotations map[string]string }
	if err := json.Unmarshal(file, &bundle); err != nil {
		return "", false
	}
	namespace, name := bundle.Annotations["io.kubernetes.cri.sandbox-namespace"], bundle.Annotations["io.kubernetes.cri.sandbox-name"]
	return namespace + "/" + name, namespace != "" && name != ""
}
