package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"mp3converter/shared/client"
)

// stores are the values of the label app of the pods that never scale.
var stores = []string{"rabbitmq", "mongodb", "mysql"}

const (
	// uploaders is how many uploads run at a time while pods are deleted.
	uploaders = 4
	// uploadPause is the time between two uploads of one uploader. Together they upload
	// about as many videos as two cores convert.
	uploadPause = 12 * time.Second
	// deletionPause is the time between two deletions.
	deletionPause = 10 * time.Second
)

// runDeletions deletes pods while videos are uploaded and converted: of every kind in
// turn a random one, half of them without the time to shut down. It ends when the time
// is over and pods of every kind have been deleted.
func runDeletions(ctx context.Context, s *suite) error {
	return s.uploadDuring(ctx, func(ctx context.Context) error {
		deleted := map[string]int{}
		kinds := slices.Concat(functions, stores, []string{"source video", "source mp3"})
		isMissing := func(kind string) bool { return deleted[kind] == 0 }
		for start := time.Now(); time.Since(start) < s.deletions || slices.ContainsFunc(kinds, isMissing); {
			if !sleep(ctx, deletionPause) {
				return fmt.Errorf("deleted %v: %w", deleted, context.Cause(ctx))
			}
			pods, err := s.cluster.podsByKind(ctx)
			if err != nil || len(pods) == 0 {
				continue // the API server answers again soon
			}
			kind := slices.MinFunc(slices.Sorted(maps.Keys(pods)), func(a, b string) int { return deleted[a] - deleted[b] })
			args := []string{"delete", "pod", "--wait=false", pods[kind][rand.IntN(len(pods[kind]))]}
			if rand.IntN(2) == 0 {
				args = append(args, "--force", "--grace-period=0")
			}
			if _, err := s.cluster.kubectl(ctx, args...); err == nil {
				deleted[kind]++
			}
		}
		fmt.Printf("   deleted %v\n", deleted)
		return nil
	})
}

// drained selects the pods of the service. The cluster's own pods stay: on one node
// they cannot move.
var drained = []string{
	"serving.knative.dev/service in (" + strings.Join(functions, ",") + ")",
	"eventing.knative.dev/source",
	"app in (" + strings.Join(stores, ",") + ")",
}

// runDrain evicts the service's pods from every node, with less time to shut down than a
// conversion takes.
func runDrain(ctx context.Context, s *suite) error {
	return s.uploadDuring(ctx, func(ctx context.Context) error {
		if !sleep(ctx, 30*time.Second) {
			return context.Cause(ctx)
		}
		names, err := s.cluster.kubectl(ctx, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")
		if err != nil {
			return err
		}
		for node := range strings.FieldsSeq(names) {
			var failed error
			for _, pods := range drained {
				out, err := s.cluster.kubectl(ctx, "drain", node, "--pod-selector="+pods,
					"--ignore-daemonsets", "--delete-emptydir-data", "--force", "--grace-period=5", "--timeout=2m")
				if err == nil && !strings.Contains(out, " evicted") {
					err = fmt.Errorf("the node %s has no pods with %s", node, pods)
				}
				failed = errors.Join(failed, err)
			}
			_, err := s.cluster.kubectl(context.WithoutCancel(ctx), "uncordon", node)
			if err := errors.Join(failed, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// podsByKind returns the names of the pods that run, by function, store and so on.
func (c *cluster) podsByKind(ctx context.Context) (map[string][]string, error) {
	var list struct {
		Items []struct {
			Metadata struct {
				Name, DeletionTimestamp string
				Labels                  map[string]string
			}
			Status struct{ Phase string }
		}
	}
	if err := c.get(ctx, "/api/v1/namespaces/"+namespace+"/pods", &list); err != nil {
		return nil, err
	}
	pods := map[string][]string{}
	for _, i := range list.Items {
		if i.Metadata.DeletionTimestamp != "" || i.Status.Phase != "Running" {
			continue
		}
		labels := i.Metadata.Labels
		kind := cmp.Or(labels["serving.knative.dev/service"], labels["app"])
		if source := labels["eventing.knative.dev/SourceName"]; source != "" {
			kind = "source " + source
		}
		pods[kind] = append(pods[kind], i.Metadata.Name)
	}
	return pods, nil
}

// uploadDuring uploads videos while disturb runs. Uploads may fail meanwhile, but those
// that were accepted must all be done in the end, each with a whole MP3.
func (s *suite) uploadDuring(ctx context.Context, disturb func(context.Context) error) error {
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	video, _, err := s.burstVideo()
	if err != nil {
		return err
	}
	uploading, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var accepted []string
	refused := 0
	var running sync.WaitGroup
	for range uploaders {
		running.Go(func() {
			for ok := true; ok; ok = sleep(uploading, uploadPause) {
				j, err := s.user.Upload(ctx, "film.mp4", bytes.NewReader(video))
				mu.Lock()
				if err != nil {
					refused++
				} else {
					accepted = append(accepted, j.ID)
				}
				mu.Unlock()
			}
		})
	}
	running.Go(func() {
		visitor := client.Client{BaseURL: s.user.BaseURL, HTTP: s.user.HTTP} // so that auth is in use
		for ok := true; ok; ok = sleep(uploading, uploadPause) {
			_ = visitor.Login(ctx, s.user.email, s.user.password)
		}
	})
	err = disturb(ctx)
	stop()
	running.Wait()
	if err != nil {
		return err
	}
	start := time.Now()
	fmt.Printf("   %d uploads accepted, %d refused\n", len(accepted), refused)
	if len(accepted) == 0 {
		return errors.New("no upload was accepted")
	}
	size := int64(0)
	for _, id := range accepted {
		j, err := s.waitOutcome(ctx, id)
		switch {
		case err != nil:
			return err
		case j.State != "done":
			return fmt.Errorf("job %s is %s: %s", id, j.State, j.Error.Code)
		case size == 0:
			size = j.Audio.Bytes
		case j.Audio.Bytes != size:
			return fmt.Errorf("the MP3 of job %s has %d bytes, that of another of the same video %d", id, j.Audio.Bytes, size)
		}
	}
	fmt.Printf("   all done %.0f s later\n", time.Since(start).Seconds())
	return nil
}

// waitOutcome waits for the outcome of a job. A request that fails is repeated. The
// state of a job that does not exist is "missing".
func (s *suite) waitOutcome(ctx context.Context, id string) (j client.Job, err error) {
	err = poll(ctx, time.Second, func() (bool, error) {
		j, err = s.user.Job(ctx, id)
		if client.StatusCode(err) == http.StatusNotFound {
			j.State = "missing"
			return true, nil
		}
		return j.State == "done" || j.State == "failed" || j.State == "cancelled", err
	})
	return j, err
}

// sleep returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
