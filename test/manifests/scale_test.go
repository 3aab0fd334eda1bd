package manifests

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	sourcesv1alpha1 "knative.dev/eventing-rabbitmq/pkg/apis/sources/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
)

const autoscaling = "autoscaling.knative.dev/"

// annotation returns the value of an annotation, which must be a number.
func annotation(t *testing.T, s *servingv1.Service, name string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s.Spec.Template.Annotations[name], 10, 64)
	if err != nil {
		t.Errorf("%s: %s: %v", s.Name, name, err)
	}
	return n
}

func seconds(n *int64) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(*n) * time.Second
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func integer(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// findFunction returns one function and its Knative Service.
func findFunction(t *testing.T, name string) (function, *servingv1.Service) {
	t.Helper()
	for _, f := range functions(t) {
		if f.name == name {
			return f, byName[*servingv1.Service](readManifests(t))[name]
		}
	}
	t.Fatalf("no function %s", name)
	panic("unreachable")
}

func TestEverythingScalesToZero(t *testing.T) {
	for name, s := range byName[*servingv1.Service](readManifests(t)) {
		if s.Spec.Template.Annotations[autoscaling+"min-scale"] != "0" {
			t.Errorf("%s: min-scale is not 0", name)
		}
		if annotation(t, s, autoscaling+"max-scale") < 1 {
			t.Errorf("%s: max-scale is not set", name)
		}
		// The gateway limits its requests itself; see TestGatewayScale.
		if c := s.Spec.Template.Spec.ContainerConcurrency; name != "gateway" && (c == nil || *c < 1) {
			t.Errorf("%s: containerConcurrency is not set", name)
		}
		// 021-network-functions.yaml allows requests from the activator only.
		if annotation(t, s, autoscaling+"target-burst-capacity") != -1 {
			t.Errorf("%s: target-burst-capacity must be -1, so that all requests pass the activator", name)
		}
	}
}

// With a lower parallelism pods are idle during a burst. With a higher one videos wait
// in the activator while their timeout runs.
func TestSourceParallelism(t *testing.T) {
	objects := readManifests(t)
	services := byName[*servingv1.Service](objects)
	for name, source := range byName[*sourcesv1alpha1.RabbitmqSource](objects) {
		sink := services[source.Spec.Sink.Ref.Name]
		want := annotation(t, sink, autoscaling+"max-scale") * *sink.Spec.Template.Spec.ContainerConcurrency
		if got := int64(*source.Spec.RabbitmqResourcesConfig.Parallelism); got != want {
			t.Errorf("source %s: parallelism %d, but max-scale × containerConcurrency of %s is %d", name, got, sink.Name, want)
		}
		if annotation(t, sink, autoscaling+"target-utilization-percentage") != 100 {
			t.Errorf("%s: target-utilization-percentage must be 100, or Knative starts more pods than the source uses", sink.Name)
		}
		if d := source.Spec.Delivery; d == nil || d.Retry == nil || *d.Retry < 1 {
			t.Errorf("source %s: without retries the first 503 goes to the dead-letter queue", name)
		}
	}
}

func TestOneConversionInEachPod(t *testing.T) {
	f, s := findFunction(t, "converter")
	if c := *s.Spec.Template.Spec.ContainerConcurrency; strconv.FormatInt(c, 10) != f.setting(t, "CONVERSIONS") {
		t.Errorf("containerConcurrency is %d, CONVERSIONS is %s; want the same", c, f.setting(t, "CONVERSIONS"))
	}
}

func TestTimeLimits(t *testing.T) {
	knativeLimit := time.Duration(defaults(t).MaxRevisionTimeoutSeconds) * time.Second
	for _, test := range []struct {
		function string
		longest  time.Duration // duration of one request
	}{
		{"auth", 10 * time.Second},
		// The largest upload at 1 MB/s, but at least an hour, and the wait for its turn.
		{"gateway", max(time.Hour, largestUpload(t)) + transferWait(t)},
		{"converter", longestConversion(t) + 5*time.Minute},
		{"notification", longestNotification(t) + 30*time.Second},
	} {
		_, s := findFunction(t, test.function)
		limit := seconds(s.Spec.Template.Spec.TimeoutSeconds)
		if limit < test.longest {
			t.Errorf("%s: timeoutSeconds is %v, but a request may take %v", test.function, limit, test.longest)
		}
		if limit > knativeLimit {
			t.Errorf("%s: timeoutSeconds is %v, Knative accepts at most %v", test.function, limit, knativeLimit)
		}
		// The default is 300 s, independent of timeoutSeconds.
		start := seconds(s.Spec.Template.Spec.ResponseStartTimeoutSeconds)
		if start != limit && limit > 300*time.Second {
			t.Errorf("%s: responseStartTimeoutSeconds is %v, timeoutSeconds %v", test.function, start, limit)
		}
	}
}

func largestUpload(t *testing.T) time.Duration {
	f, _ := findFunction(t, "gateway")
	return time.Duration(integer(t, f.setting(t, "MAX_UPLOAD_BYTES"))/1e6) * time.Second
}

func transferWait(t *testing.T) time.Duration {
	f, _ := findFunction(t, "gateway")
	return duration(t, f.setting(t, "TRANSFER_WAIT"))
}

func longestConversion(t *testing.T) time.Duration {
	f, _ := findFunction(t, "converter")
	return duration(t, f.setting(t, "MAX_CONVERSION"))
}

func longestNotification(t *testing.T) time.Duration {
	f, _ := findFunction(t, "notification")
	return duration(t, f.setting(t, "SMTP_TIMEOUT")) + duration(t, f.setting(t, "WEBHOOK_TIMEOUT"))
}

// A function must not end requests earlier than Knative does.
func TestGraceOutlastsRequests(t *testing.T) {
	for name, s := range byName[*servingv1.Service](readManifests(t)) {
		f, _ := findFunction(t, name)
		if grace := duration(t, f.setting(t, "SHUTDOWN_GRACE")); grace < seconds(s.Spec.Template.Spec.TimeoutSeconds) {
			t.Errorf("%s: SHUTDOWN_GRACE is %v, but a request may take %v", name, grace, seconds(s.Spec.Template.Spec.TimeoutSeconds))
		}
	}
}

// The source prefetches 100 messages. RabbitMQ must wait for the acknowledgement of the
// last one while the others are converted, for up to half an hour each.
func TestConsumerTimeout(t *testing.T) {
	const prefetch = 100
	objects := readManifests(t)
	conf := byName[*corev1.ConfigMap](objects)["rabbitmq"].Data["rabbitmq.conf"]
	found := regexp.MustCompile(`(?m)^consumer_timeout = (\d+)$`).FindStringSubmatch(conf)
	if found == nil {
		t.Fatal("rabbitmq.conf sets no consumer_timeout")
	}
	timeout := time.Duration(integer(t, found[1])) * time.Millisecond
	_, s := findFunction(t, "converter")
	if longest := seconds(s.Spec.Template.Spec.TimeoutSeconds); timeout < 2*longest {
		t.Errorf("consumer_timeout is %v, but one delivery may take %v; want at least twice as long", timeout, longest)
	}
	parallelism := *byName[*sourcesv1alpha1.RabbitmqSource](objects)["video"].Spec.RabbitmqResourcesConfig.Parallelism
	if least := time.Duration(prefetch/parallelism) * 30 * time.Minute; timeout < least {
		t.Errorf("consumer_timeout is %v; with parallelism %d the last of %d messages waits %v", timeout, parallelism, prefetch, least)
	}
}

func TestGatewayMemory(t *testing.T) {
	const uploadBuffer, downloadBuffer = 16 << 20, 4 << 20 // of GridFS
	f, _ := findFunction(t, "gateway")
	uploads, downloads := integer(t, f.setting(t, "MAX_UPLOADS")), integer(t, f.setting(t, "MAX_DOWNLOADS"))
	if limit := f.container.Resources.Limits.Memory().Value(); limit < uploads*uploadBuffer+downloads*downloadBuffer+(200<<20) {
		t.Errorf("memory limit of %d MiB is too low for %d uploads and %d downloads", limit>>20, uploads, downloads)
	}
}

// A burst of uploads is limited by the store, so it must not start many gateways. And
// Knative must not limit requests: a login would wait behind uploads that take hours.
func TestGatewayScale(t *testing.T) {
	const burst, mostPods = 60, 2
	f, s := findFunction(t, "gateway")
	if c := s.Spec.Template.Spec.ContainerConcurrency; c == nil || *c != 0 {
		t.Error("containerConcurrency must be 0: the gateway limits its requests itself")
	}
	if metric := s.Spec.Template.Annotations[autoscaling+"metric"]; metric != "concurrency" {
		t.Errorf("metric is %q, want concurrency", metric)
	}
	const utilization = 70 // percent of the target; Knative's default
	target := annotation(t, s, autoscaling+"target")
	if pods := (burst*100 + target*utilization - 1) / max(1, target*utilization); pods > mostPods {
		t.Errorf("%d uploads start %d pods, want at most %d: target is %d", burst, pods, mostPods, target)
	}
	if n := annotation(t, s, autoscaling+"max-scale"); n > mostPods {
		t.Errorf("max-scale is %d, want at most %d: all pods write to one store", n, mostPods)
	}
	if own, all := integer(t, f.setting(t, "MAX_UPLOADS_PER_USER")), integer(t, f.setting(t, "MAX_UPLOADS")); 2*own > all {
		t.Errorf("MAX_UPLOADS_PER_USER is %d of MAX_UPLOADS %d: one or two users could take all", own, all)
	}
}

// The MP3 of the longest video, at the highest bitrate that a user may choose, fits into
// the temporary directory, and that into the pod's ephemeral storage, which the scheduler
// reserves. Logs take a part of it: the kubelet keeps 50 MiB for each of two containers.
func TestLongestMP3FitsTempDir(t *testing.T) {
	f, _ := findFunction(t, "converter")
	const kbit = 320
	size := int64(duration(t, f.setting(t, "MAX_DURATION")).Seconds()) * kbit * 1000 / 8
	dir := f.setting(t, "TEMP_DIR")
	for _, m := range f.container.VolumeMounts {
		if m.MountPath != dir {
			continue
		}
		for _, v := range f.spec.Volumes {
			if v.Name == m.Name && v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil {
				if limit := v.EmptyDir.SizeLimit.Value(); limit < size+(64<<20) {
					t.Errorf("%s is limited to %d bytes, but the longest MP3 has %d", dir, limit, size)
				}
				r, volume := f.container.Resources, v.EmptyDir.SizeLimit.Value()
				if n := r.Requests.StorageEphemeral().Value(); n < volume {
					t.Errorf("the request for ephemeral storage is %d bytes, the temporary directory may have %d", n, volume)
				}
				if n := r.Limits.StorageEphemeral().Value(); n < volume+(100<<20) {
					t.Errorf("the limit of ephemeral storage is %d bytes, too few for %d and logs", n, volume)
				}
				return
			}
		}
	}
	t.Errorf("TEMP_DIR %q is not an emptyDir with a sizeLimit", dir)
}

var goMemoryLimit = regexp.MustCompile(`^(\d+)MiB$`)

// GOMEMLIMIT must be set and at most 90 % of the memory limit.
func TestMemoryLimits(t *testing.T) {
	for _, f := range functions(t) {
		limit := f.container.Resources.Limits.Memory().Value()
		text := envValue(t, f.spec, "GOMEMLIMIT")
		found := goMemoryLimit.FindStringSubmatch(text)
		if limit == 0 || found == nil {
			t.Errorf("%s: memory limit %d, GOMEMLIMIT %q", f.name, limit, text)
			continue
		}
		if soft := integer(t, found[1]) << 20; soft > limit*9/10 {
			t.Errorf("%s: GOMEMLIMIT %s of %d MiB is more than 90 %%", f.name, text, limit>>20)
		}
	}
}

// The cluster autoscaler gives a pod ten minutes at most, so it must leave pods with
// longer requests alone.
func TestLongRequestsAreNotEvicted(t *testing.T) {
	long := 0
	for name, s := range byName[*servingv1.Service](readManifests(t)) {
		evictable := s.Spec.Template.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] != "false"
		if isLong := seconds(s.Spec.Template.Spec.TimeoutSeconds) > 10*time.Minute; isLong {
			long++
			if evictable {
				t.Errorf("%s: may be evicted in the middle of a request", name)
			}
		} else if !evictable {
			t.Errorf("%s: keeps a node for short requests", name)
		}
	}
	if long == 0 {
		t.Error("no function has long requests")
	}
}
