package service

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/backends"
	"mp3converter/shared/media"
	"mp3converter/shared/queue"
	"mp3converter/shared/queue/queuetest"
	"mp3converter/shared/queue/rabbitmq"
	"mp3converter/test/mongotest"
	"mp3converter/test/mysqltest"
	"mp3converter/test/rabbitmqtest"
	"mp3converter/test/testproc"
	"mp3converter/test/toxic"
)

// Cluster is the service as it runs in a cluster: each function is its own process, and
// the stores are servers behind proxies.
type Cluster struct {
	*Service
	Broker   *rabbitmqtest.Server
	Database *mongotest.Server
	Users    *mysqltest.Server

	ToBroker, ToDatabase, ToUsers *toxic.Proxy

	sinks []*sink
}

// Functions are the names of the processes, other than the janitor.
var Functions = []string{"auth", "gateway", "converter", "notification"}

// StartCluster runs a cluster until the test ends.
func StartCluster(t testing.TB, p Programs, crashing bool, extraEnv ...string) *Cluster {
	t.Helper()
	if crashing {
		p.build(t, "test/faults/function")
	} else {
		p.build(t, "functions/auth", "functions/gateway", "functions/converter", "functions/notification", "functions/janitor")
	}
	s, env := newService(t)
	c := &Cluster{Service: s, Broker: rabbitmqtest.Start(t), Database: mongotest.Start(t), Users: mysqltest.Start(t)}
	c.ToDatabase, c.ToBroker, c.ToUsers = toxic.Start(t, host(t, c.Database.URI)), toxic.Start(t, host(t, c.Broker.URL)), toxic.Start(t, c.Users.Address)
	s.TempDir = t.TempDir()
	env = append(env,
		"MONGODB_URI="+replaceHost(t, c.Database.URI, c.ToDatabase.Addr),
		"RABBITMQ_URL="+replaceHost(t, c.Broker.URL, c.ToBroker.Addr),
		"MYSQL_DSN=root@tcp("+c.ToUsers.Addr+")/mp3converter",
		"CONVERSIONS=2", "TEMP_DIR="+s.TempDir,
	)
	env = append(env, extraEnv...)
	args := func(name string) []string {
		if crashing {
			return []string{p.path("function"), name}
		}
		return []string{p.path(name)}
	}
	authURL := ""
	for _, name := range Functions {
		port := testproc.FreePorts(t, 1)[0]
		process := &Process{
			Name: name, url: fmt.Sprint("http://127.0.0.1:", port), log: filepath.Join(s.Control.Dir, name+".log"), pause: 300 * time.Millisecond, args: args(name),
			env: append(append([]string{}, env...), "PORT="+strconv.Itoa(port), "AUTH_URL="+authURL),
		}
		if name == "auth" {
			authURL = process.url
		}
		s.Processes[name] = startProcess(t, process)
	}
	s.URL = s.Processes["gateway"].url
	s.WaitReady(t)
	for _, janitor := range []struct {
		name, tasks string
		pause       time.Duration
	}{{"janitor", "wake", 2 * time.Second}, {"janitor of orphans", "orphans", 20 * time.Second}} {
		s.Processes[janitor.name] = startProcess(t, &Process{
			Name: janitor.name, log: filepath.Join(s.Control.Dir, janitor.name+".log"), pause: janitor.pause, args: args("janitor"),
			env: append(append([]string{}, env...), "TASKS="+janitor.tasks),
		})
	}
	for function, name := range map[string]string{"converter": queue.Video.Name, "notification": queue.MP3.Name} {
		sink := startSink(t, s.Processes[function].url)
		c.sinks = append(c.sinks, sink)
		(&queuetest.RabbitmqSource{URL: c.Broker.URL, Queue: name, Sink: sink.url, Parallelism: 2, Retry: 5, Backoff: 200 * time.Millisecond}).Start(t)
	}
	c.openStores(t)
	return c
}

// openStores opens the stores of the service without the proxies.
func (c *Cluster) openStores(t testing.TB) {
	t.Helper()
	b, err := backends.Open(t.Context(), backends.Config{MongoDB: c.Database.URI, Queue: rabbitmq.Config{URL: c.Broker.URL, Timeout: time.Second}}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c.Jobs, c.Videos, c.Audio = b.Jobs, b.Videos, b.Audio
	client := mongotest.Client(t, c.Database.URI)
	c.backdate = func(ctx context.Context, store media.Store, o media.Object) error {
		database := "videos"
		if store == media.Store(b.Audio) {
			database = "mp3"
		}
		return mongotest.SetUploadDate(ctx, client.Database(database), o.ID, o.CreatedAt)
	}
	c.queued = func() (int, error) { return rabbitmqtest.Count(c.Broker.URL, queue.Video.Name, queue.MP3.Name) }
	c.removeOrphans = func(context.Context) error { return nil } // it runs all the time
}

func host(t testing.TB, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func replaceHost(t testing.TB, uri, address string) string {
	t.Helper()
	return strings.Replace(uri, host(t, uri), address, 1)
}
