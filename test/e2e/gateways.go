package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"mp3converter/shared/client"
	"mp3converter/test/samples"
)

// runGateways deletes the pods that uploads pass through while uploads are in progress.
// The activator finishes its requests first. An ingress may give up after seconds: the
// client sees an error, and nothing of its upload is left.
func runGateways(ctx context.Context, s *suite) error {
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	address, err := s.cluster.publicIngress(ctx)
	if err != nil {
		return err
	}
	service := strings.Split(address, ".")
	if len(service) < 2 {
		return fmt.Errorf("the ingress %s is not a service", address)
	}
	upload, err := s.uploadWhileDeleted(ctx, "activator.mp4", "knative-serving", "activator-service")
	if err != nil {
		return fmt.Errorf("upload while the activator's pod was deleted: %w", err)
	}
	interrupted, err := s.uploadWhileDeleted(ctx, "ingress.mp4", service[1], service[0])
	switch {
	case errors.Is(err, errNotDeleted):
		return err
	case err != nil:
		fmt.Println("   the client of the upload through the ingress saw:", err)
		return s.checkOnlyJobs(ctx, upload.ID)
	}
	fmt.Println("   the upload through the ingress succeeded")
	return s.checkOnlyJobs(ctx, upload.ID, interrupted.ID)
}

var errNotDeleted = errors.New("pods not deleted")

// uploadWhileDeleted uploads 30 MB in half a minute. After a third of it it deletes the
// pods of a Service.
func (s *suite) uploadWhileDeleted(ctx context.Context, name, serviceNamespace, service string) (client.Job, error) {
	short, _, err := s.readSample(samples.Spec{Name: "padded.mp4", Seconds: 3})
	if err != nil {
		return client.Job{}, errors.Join(errNotDeleted, err)
	}
	var job client.Job
	done := make(chan error, 1)
	go func() {
		var err error
		job, err = s.user.Upload(ctx, name, &rateLimitedReader{ctx, padVideo(short, 30e6), rate.NewLimiter(1e6, 64<<10)})
		done <- err
	}()
	select {
	case err := <-done:
		return job, errors.Join(errNotDeleted, fmt.Errorf("the upload ended too early: %w", err))
	case <-time.After(10 * time.Second):
	}
	if err := s.deletePodsOf(ctx, serviceNamespace, service); err != nil {
		return job, errors.Join(errNotDeleted, err, <-done)
	}
	return job, <-done
}

// deletePodsOf deletes the pods behind a Service, as a node that is drained does.
func (s *suite) deletePodsOf(ctx context.Context, serviceNamespace, service string) error {
	pods, err := s.cluster.kubectl(ctx, "-n", serviceNamespace, "get", "endpointslices", "-l", "kubernetes.io/service-name="+service,
		"-o", `jsonpath={.items[*].endpoints[*].targetRef.name}`)
	if err != nil {
		return err
	}
	names := strings.Fields(pods)
	if len(names) == 0 {
		return fmt.Errorf("service %s/%s has no pods", serviceNamespace, service)
	}
	fmt.Println("   deleted:", strings.Join(names, " "))
	_, err = s.cluster.kubectl(ctx, append([]string{"-n", serviceNamespace, "delete", "pod", "--wait=false"}, names...)...)
	return err
}

// checkOnlyJobs checks that these of the user's uploads named activator.mp4 or ingress.mp4
// are done, and that there are no others.
func (s *suite) checkOnlyJobs(ctx context.Context, ids ...string) error {
	// The ingress may have to start.
	if err := poll(ctx, time.Second, func() (bool, error) {
		_, err := s.user.jobs(ctx)
		return err == nil, err
	}); err != nil {
		return err
	}
	if err := s.user.waitDone(ctx, ids); err != nil {
		return err
	}
	list, err := s.user.Jobs(ctx)
	if err != nil {
		return err
	}
	found := 0
	for _, j := range list {
		if j.Name == "activator.mp4" || j.Name == "ingress.mp4" {
			found++
		}
	}
	if found != len(ids) {
		return fmt.Errorf("%d jobs exist, want %d", found, len(ids))
	}
	return nil
}
