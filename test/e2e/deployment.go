package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"
)

// timeoutSetting is the setting of Knative that the deployment needs and that has another
// default.
const timeoutSetting = "max-revision-timeout-seconds"

// runPreflight removes a setting that the deployment needs. `make preflight` must fail,
// and the command that it prints must mend it.
func runPreflight(ctx context.Context, s *suite) (err error) {
	if out, err := runShell(ctx, "make preflight"); err != nil || strings.Contains(out, "MISSING") {
		return fmt.Errorf("make preflight, before anything is missing: %w", err)
	}
	set := func(ctx context.Context, value string) error {
		patch := `{"data":{"` + timeoutSetting + `":` + value + `}}`
		_, err := s.cluster.kubectl(ctx, "-n", "knative-serving", "patch", "configmap", "config-defaults", "--type=merge", "-p", patch)
		return err
	}
	value, err := s.cluster.kubectl(ctx, "-n", "knative-serving", "get", "configmap", "config-defaults", "-o", "jsonpath={.data."+timeoutSetting+"}")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set(context.WithoutCancel(ctx), `"`+value+`"`)) }()
	if err := set(ctx, "null"); err != nil {
		return err
	}
	out, err := runShell(ctx, "make preflight")
	_, missing, found := strings.Cut(out, "  MISSING  ")
	if err == nil || !found || !strings.HasPrefix(missing, timeoutSetting) {
		return fmt.Errorf("make preflight does not miss %s: %v: %s", timeoutSetting, err, lastLines(out, 30))
	}
	advice := regexp.MustCompile(`(?m)^ +(kubectl .*)$`).FindStringSubmatch(missing)
	if advice == nil {
		return fmt.Errorf("make preflight prints no command:\n%s", missing)
	}
	if _, err := runShell(ctx, advice[1]); err != nil {
		return err
	}
	_, err = runShell(ctx, "make preflight")
	return err
}

// runRemoval deletes what the manifests contain and deploys it again, with the commands of
// the documentation. Users, jobs, MP3s and RabbitMQ's data are still there.
func runRemoval(ctx context.Context, s *suite) error {
	j, err := s.convertShort(ctx)
	if err != nil {
		return err
	}
	var before, after bytes.Buffer
	if err := s.user.Download(ctx, j, &before); err != nil {
		return err
	}
	const parameter = "e2e"
	mark := fmt.Sprint(time.Now().UnixNano())
	if _, err := s.cluster.kubectl(ctx, "exec", "rabbitmq-0", "--", "rabbitmqctl", "set_global_parameter", parameter, `"`+mark+`"`); err != nil {
		return err
	}
	claims, err := s.cluster.claims(ctx)
	if err != nil {
		return err
	}
	if err := s.redeploy(ctx); err != nil {
		return err
	}

	now, err := s.cluster.claims(ctx)
	if err != nil {
		return err
	}
	if !maps.Equal(claims, now) || len(now) < 3 {
		return fmt.Errorf("the volumes were %v and are %v", claims, now)
	}
	out, err := s.cluster.kubectl(ctx, "exec", "rabbitmq-0", "--", "rabbitmqctl", "list_global_parameters")
	if err != nil || !strings.Contains(out, mark) {
		return fmt.Errorf("RabbitMQ has lost its data: %w: %s", err, out)
	}
	if _, err := s.cluster.kubectl(ctx, "exec", "rabbitmq-0", "--", "rabbitmqctl", "clear_global_parameter", parameter); err != nil {
		return err
	}
	if err := s.loginAgain(ctx); err != nil {
		return err
	}
	if err := s.user.Download(ctx, j, &after); err != nil {
		return fmt.Errorf("download afterwards: %w", err)
	}
	if !bytes.Equal(before.Bytes(), after.Bytes()) || after.Len() == 0 {
		return fmt.Errorf("the MP3 had %d bytes and has %d", before.Len(), after.Len())
	}
	_, err = s.convertShort(ctx)
	return err
}

// redeploy removes the manifests and deploys them again.
func (s *suite) redeploy(ctx context.Context) error {
	start := time.Now()
	remove, err := guideBlock(operationsPage, "Removing")
	if err != nil {
		return err
	}
	if _, err := runShell(ctx, remove); err != nil {
		return err
	}
	left, err := s.cluster.kubectl(ctx, "get", "statefulsets,services.serving.knative.dev,rabbitmqsources.sources.knative.dev", "-o", "name")
	if err != nil || left != "" {
		return fmt.Errorf("left after removing: %w %s", err, left)
	}
	deploy, err := guideBlock(clusterPage, "Deploying")
	if err != nil {
		return err
	}
	export, rest, _ := strings.Cut(deploy, "\n")
	if !strings.HasPrefix(export, "export KO_DOCKER_REPO=") {
		return fmt.Errorf("%s does not begin with the registry: %s", clusterPage, export)
	}
	if _, err := runShell(ctx, rest); err != nil {
		return err
	}
	fmt.Printf("   removed and deployed again in %.0f s\n", time.Since(start).Seconds())
	return nil
}

// claims returns the UIDs of the volume claims by name.
func (c *cluster) claims(ctx context.Context) (map[string]string, error) {
	var list struct {
		Items []struct{ Metadata struct{ Name, UID string } }
	}
	err := c.get(ctx, "/api/v1/namespaces/"+namespace+"/persistentvolumeclaims", &list)
	claims := map[string]string{}
	for _, i := range list.Items {
		claims[i.Metadata.Name] = i.Metadata.UID
	}
	return claims, err
}
