// Package volumes gives every PersistentVolumeClaim of the cluster a directory
// on this machine, and takes it away with the claim.
//
// It is a provisioner for one node and one user: sizes are not enforced, and the
// directory is as durable as the cluster.
package volumes

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// NewCommand is the program; it runs until it is ended.
func NewCommand() *cobra.Command {
	var kubeconfig, class, root string
	command := &cobra.Command{
		Use: "volumes",
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return fmt.Errorf("read kubeconfig: %w", err)
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return fmt.Errorf("make client: %w", err)
			}
			return run(command.Context(), client, class, root)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the cluster")
	command.Flags().StringVar(&class, "class", "directory", "the StorageClass, and the name of its provisioner's annotation")
	command.Flags().StringVar(&root, "root", "", "the directory that holds the volumes")
	return command
}

type provisioner struct {
	client  kubernetes.Interface
	class   string
	root    string
	claims  listers.PersistentVolumeClaimLister
	volumes listers.PersistentVolumeLister
}

func run(ctx context.Context, client kubernetes.Interface, class, root string) error {
	// Everything is looked at again every 10 s, so what failed is tried again.
	factory := informers.NewSharedInformerFactory(client, 10*time.Second)
	changed := make(chan struct{}, 1)
	notify := func(any) {
		select {
		case changed <- struct{}{}:
		default: // a look at everything is already due
		}
	}
	claims, volumes := factory.Core().V1().PersistentVolumeClaims(), factory.Core().V1().PersistentVolumes()
	for _, informer := range []cache.SharedIndexInformer{claims.Informer(), volumes.Informer()} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    notify,
			UpdateFunc: func(_, now any) { notify(now) },
			DeleteFunc: notify,
		}); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	p := provisioner{client, class, filepath.Clean(root), claims.Lister(), volumes.Lister()}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			if err := p.reconcile(ctx); err != nil {
				log.Printf("volumes: %v", err)
			}
		}
	}
}

func (p provisioner) reconcile(ctx context.Context) error {
	claims, err := p.claims.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list claims: %w", err)
	}
	volumes, err := p.volumes.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	var failures []error
	for _, claim := range claims {
		if claim.Status.Phase == core.ClaimPending && claim.Spec.VolumeName == "" &&
			claim.Spec.StorageClassName != nil && *claim.Spec.StorageClassName == p.class &&
			claim.Annotations[selectedNode] != "" {
			failures = append(failures, p.provision(ctx, claim))
		}
	}
	for _, volume := range volumes {
		if volume.Status.Phase == core.VolumeReleased && volume.Annotations[provisionedBy] == p.class {
			failures = append(failures, p.remove(ctx, volume))
		}
	}
	return errors.Join(failures...)
}

const (
	selectedNode  = "volume.kubernetes.io/selected-node" // the scheduler's word on where the pod will be
	provisionedBy = "pv.kubernetes.io/provisioned-by"    // tells Kubernetes to leave the removal to us
)

// provision makes a directory and a volume of it that only this claim can have.
// The name comes from the claim, so doing it twice makes one volume.
func (p provisioner) provision(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	name := "pvc-" + string(claim.UID)
	path := filepath.Join(p.root, name)
	if err := os.MkdirAll(path, 0o770); err != nil {
		return fmt.Errorf("make volume: %w", err)
	}
	_, err := p.client.CoreV1().PersistentVolumes().Create(ctx, &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: p.class}},
		Spec: core.PersistentVolumeSpec{
			StorageClassName:              p.class,
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimDelete,
			ClaimRef: &core.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			// Local, not HostPath: kubelet gives it to the pod's fsGroup.
			PersistentVolumeSource: core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: path}},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
				MatchExpressions: []core.NodeSelectorRequirement{{
					Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{claim.Annotations[selectedNode]},
				}},
			}}}},
		},
	}, meta.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create volume for %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return nil
}

// remove takes the directory first: if that fails the volume still says where it is.
func (p provisioner) remove(ctx context.Context, volume *core.PersistentVolume) error {
	if volume.Spec.Local == nil || filepath.Dir(volume.Spec.Local.Path) != p.root {
		return fmt.Errorf("volume %s does not lie in %s", volume.Name, p.root)
	}
	if err := os.RemoveAll(volume.Spec.Local.Path); err != nil {
		return fmt.Errorf("remove volume: %w", err)
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, meta.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete volume %s: %w", volume.Name, err)
	}
	return nil
}
