package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// checkImages builds the functions' images from a copy of the source in another directory.
// They must have the digests that are deployed.
func checkImages(ctx context.Context, s *suite) error {
	if os.Getenv("KO_DOCKER_REPO") == "" {
		return errors.New("KO_DOCKER_REPO is not set")
	}
	dir, err := copyRepository(ctx, s.dir)
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "ko", "build", "--push=false", "--sbom=none",
		"./functions/auth", "./functions/gateway", "./functions/converter", "./functions/notification", "./functions/janitor")
	build.Dir = dir
	var stderr bytes.Buffer
	build.Stderr = &stderr
	out, err := build.Output()
	if err != nil {
		return fmt.Errorf("ko: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	built := map[string]bool{}
	for _, image := range strings.Fields(string(out)) {
		built[strings.Replace(image, ":latest@", "@", 1)] = true
	}
	deployed, err := s.cluster.functionImages(ctx)
	if err != nil {
		return err
	}
	for _, image := range deployed {
		if !built[image] {
			return fmt.Errorf("%s is deployed, but the same source gives %s", image, strings.Fields(string(out)))
		}
	}
	fmt.Printf("   %d images are the same\n", len(built))
	return nil
}

// copyRepository copies what ko needs to a new directory.
func copyRepository(ctx context.Context, parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "repository-")
	if err != nil {
		return "", err
	}
	copied := exec.CommandContext(ctx, "cp", "-rP", "go.mod", "go.sum", ".ko.yaml", "ko.yaml", "functions", "shared", "knative", dir)
	if out, err := copied.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cp: %w: %s", err, bytes.TrimSpace(out))
	}
	return dir, nil
}

// functionImages returns the images of the services and CronJobs.
func (c *cluster) functionImages(ctx context.Context) ([]string, error) {
	var images []string
	for kind, path := range map[string]string{
		"services.serving.knative.dev": "{.items[*].spec.template.spec.containers[*].image}",
		"cronjobs":                     "{.items[*].spec.jobTemplate.spec.template.spec.containers[*].image}",
	} {
		out, err := c.kubectl(ctx, "get", kind, "-o", "jsonpath="+path)
		if err != nil {
			return nil, err
		}
		images = append(images, strings.Fields(out)...)
	}
	if len(images) < 6 {
		return nil, fmt.Errorf("only %d containers of functions are deployed", len(images))
	}
	return images, nil
}
