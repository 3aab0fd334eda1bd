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
	Broker               *rabbitmqtest.Server
	MongoDB, AMQP, MySQL *toxic.Proxy
	sources              map[string]*queuetest.RabbitmqSource // by the function that they call
	mongoURI             string
}

// Functions are the names of the processes, other than the janitor.
var Functions = []string{"auth", "gateway", "converter", "notification"}

// StartCluster runs a cluster until the test ends.
func StartCluster(t testing.TB, p Programs, crashing bool, extraEnv ...string) *Cluster {
	t.Helper()
	s, env := newService(t)
	c := &Cluster{Service: s, Broker: rabbitmqtest.Start(t), sources: map[string]*queuetest.RabbitmqSource{}}
	mongo, mysql := mongotest.Start(t), mysqltest.Start(t)
	c.mongoURI = mongo.URI
	c.MongoDB, c.AMQP, c.MySQL = toxic.Start(t, host(t, mongo.URI)), toxic.Start(t, host(t, c.Broker.URL)), toxic.Start(t, mysql.Address)
	s.TempDir = t.TempDir()
	env = append(env,
		"MONGODB_URI="+replaceHost(t, mongo.URI, c.MongoDB.Addr),
		"RABBITMQ_URL="+replaceHost(t, c.Broker.URL, c.AMQP.Addr),
		"MYSQL_DSN=root@tcp("+c.MySQL.Addr+")/mp3converter",
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
	s.Processes["janitor"] = startProcess(t, &Process{
		Name: "janitor", log: filepath.Join(s.Control.Dir, "janitor.log"), pause: 2 * time.Second, args: args("janitor"), env: env,
	})
	for function, name := range map[string]string{"converter": queue.Video.Name, "notification": queue.MP3.Name} {
		source := &queuetest.RabbitmqSource{URL: c.Broker.URL, Queue: name, Sink: s.Processes[function].url, Parallelism: 2, Retry: 5, Backoff: 200 * time.Millisecond}
		source.Start(t)
		c.sources[function] = source
	}
	c.openStores(t)
	return c
}

// openStores opens the stores of the service without the proxies.
func (c *Cluster) openStores(t testing.TB) {
	t.Helper()
	b, err := backends.Open(t.Context(), backends.Config{MongoDB: c.mongoURI, Queue: rabbitmq.Config{URL: c.Broker.URL, Timeout: time.Second}}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c.Jobs, c.Videos, c.Audio = b.Jobs, b.Videos, b.Audio
	c.queued = c.countMessages
	c.removeOrphans = func(ctx context.Context) error {
		select { // the janitor runs all the time
		case <-time.After(15 * time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// countMessages counts the messages that wait in the queues.
func (c *Cluster) countMessages() (int, error) {
	n, err := rabbitmqtest.Count(c.Broker.URL, queue.Video.Name, queue.MP3.Name)
	return n, err
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
