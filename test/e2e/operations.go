package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Each of these texts is in one block of commands of the page.
const (
	logSearch       = `grep '"job":"ID"'`
	queueMetrics    = "/metrics/detailed"
	restart         = "mp3converter.com/restarted"
	applyConverters = "delete rabbitmqsource video"
)

// runOperations follows docs/operations.md: it finds what the logs say about a job, reads
// the metrics of each queue, restarts a function and changes the number of converters.
func runOperations(ctx context.Context, s *suite) error {
	if err := s.user.ensureLogin(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, *suite) error
	}{
		{"log of a job", findLog},
		{"metrics of each queue", readQueues},
		{"restart of a function", restartFunction},
		{"number of converters", changeConverters},
		{"log of the janitor", findJanitorLog},
	} {
		start := time.Now()
		if err := part.run(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Printf("   %s: %.0f s\n", part.name, time.Since(start).Seconds())
	}
	return nil
}

func findLog(ctx context.Context, s *suite) error {
	job, err := s.convertShort(ctx)
	if err != nil {
		return err
	}
	search, err := guideBlockWith(operationsPage, logSearch)
	if err != nil {
		return err
	}
	return poll(ctx, time.Second, func() (bool, error) {
		out, err := runShell(ctx, strings.ReplaceAll(search, "ID", job.ID))
		if err != nil {
			return false, err
		}
		for _, message := range []string{"job accepted", "job claimed", "attempt ended", "notification attempted"} {
			if !strings.Contains(out, `"msg":"`+message+`"`) {
				return false, fmt.Errorf("the output has no line %q: %.2000s", message, out)
			}
		}
		return true, nil
	})
}

func readQueues(ctx context.Context, _ *suite) error {
	read, err := guideBlockWith(operationsPage, queueMetrics)
	if err != nil {
		return err
	}
	out, err := runShell(ctx, read)
	if err != nil {
		return err
	}
	for _, queue := range []string{"video", "mp3", "video.dead", "mp3.dead"} {
		for _, metric := range []string{"rabbitmq_detailed_queue_messages_ready", "rabbitmq_detailed_queue_consumers"} {
			if !regexp.MustCompile(`(?m)^` + metric + `{.*queue="` + regexp.QuoteMeta(queue) + `".*} \d+$`).MatchString(out) {
				return fmt.Errorf("no %s of the queue %s: %.2000s", metric, queue, out)
			}
		}
	}
	return nil
}

func restartFunction(ctx context.Context, s *suite) error {
	block, err := guideBlockWith(operationsPage, restart)
	if err != nil {
		return err
	}
	const function = "auth" // in the page
	if !strings.Contains(block, "FUNCTION="+function) {
		return fmt.Errorf("the page does not restart %s: %s", function, block)
	}
	before, err := s.cluster.service(ctx, function)
	if err != nil {
		return err
	}
	if _, err := runShell(ctx, block); err != nil {
		return err
	}
	after, err := s.cluster.service(ctx, function)
	if err != nil {
		return err
	}
	if before.Status.LatestReadyRevisionName == after.Status.LatestReadyRevisionName {
		return fmt.Errorf("%s is still at revision %s", function, after.Status.LatestReadyRevisionName)
	}
	return s.user.Login(ctx, s.user.email, s.user.password)
}

// changeConverters changes the number of converters in a copy of the repository and
// applies it as the page says, and then applies the original.
func changeConverters(ctx context.Context, s *suite) (err error) {
	apply, err := guideBlockWith(operationsPage, applyConverters)
	if err != nil {
		return err
	}
	dir, err := copyRepository(ctx, s.dir)
	if err != nil {
		return err
	}
	before, err := s.cluster.service(ctx, "converter")
	if err != nil {
		return err
	}
	original := before.Spec.Template.Annotations[maxScale]
	for file, values := range map[string][2]string{
		"120-converter.yaml":    {maxScale + `: "` + original + `"`, maxScale + `: "3"`},
		"200-source-video.yaml": {"parallelism: " + original, "parallelism: 3"},
	} {
		if err := replaceInFile(filepath.Join(dir, "knative", file), values[0], values[1]); err != nil {
			return err
		}
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		defer cancel()
		_, restoreErr := runShell(ctx, apply)
		err = errors.Join(err, restoreErr, s.waitConverters(ctx, original))
	}()
	if _, err := runShellIn(ctx, dir, apply); err != nil {
		return err
	}
	if err := s.waitConverters(ctx, "3"); err != nil {
		return err
	}
	_, err = s.convertShort(ctx)
	return err
}

const maxScale = "autoscaling.knative.dev/max-scale"

// waitConverters waits until the converter and its source are ready with a number of
// pods and of deliveries at a time.
func (s *suite) waitConverters(ctx context.Context, n string) error {
	return poll(ctx, time.Second, func() (bool, error) {
		var revision struct {
			Metadata struct{ Annotations map[string]string }
		}
		var source struct {
			Spec struct {
				RabbitmqResourcesConfig struct{ Parallelism int }
			}
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
		name, err := s.readyRevision(ctx, "converter")
		if err == nil {
			err = s.cluster.get(ctx, "/apis/serving.knative.dev/v1/namespaces/"+namespace+"/revisions/"+name, &revision)
		}
		if err == nil {
			err = s.cluster.get(ctx, "/apis/sources.knative.dev/v1alpha1/namespaces/"+namespace+"/rabbitmqsources/video", &source)
		}
		if err != nil {
			return false, err
		}
		ready := false
		for _, c := range source.Status.Conditions {
			ready = ready || c.Type == "Ready" && c.Status == "True"
		}
		pods, deliveries := revision.Metadata.Annotations[maxScale], fmt.Sprint(source.Spec.RabbitmqResourcesConfig.Parallelism)
		return ready && pods == n && deliveries == n,
			fmt.Errorf("max-scale is %s and parallelism %s, want %s; the source is ready: %v", pods, deliveries, n, ready)
	})
}

func replaceInFile(path, from, to string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.Count(string(text), from) != 1 {
		return fmt.Errorf("%s does not contain %q once", path, from)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o600)
}

// findJanitorLog waits until the log of a janitor's run that has ended can be read.
func findJanitorLog(ctx context.Context, s *suite) error {
	return poll(ctx, 2*time.Second, func() (bool, error) {
		out, err := s.cluster.kubectl(ctx, "logs", "-l", "app=janitor", "-c", "janitor", "--tail=-1")
		return err == nil && strings.Contains(out, `"msg":"task finished"`), fmt.Errorf("no line of a run: %w", err)
	})
}
