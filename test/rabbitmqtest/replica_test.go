package rabbitmqtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"mp3converter/test/testproc"
)

// clusterSize is the number of nodes in rabbitmq.conf.
const clusterSize = 3

// replicas are the nodes of a cluster, started as their pods start them: with the
// configuration and the scripts of rabbitmq/010-configuration.yaml. Only host names and
// directories differ, and the plugins are left out.
type replicas struct {
	nodes [clusterSize]*replica
	// count is the number of replicas that the pods are told.
	count int
}

// replica is one node. Its directory is the volume of the pod.
type replica struct {
	name    string // of the Erlang node
	url     string
	dir     string
	env     []string
	address string
	process *testproc.Process
}

func newReplicas(t *testing.T) *replicas {
	t.Helper()
	const bin = "/usr/lib/rabbitmq/bin"
	testproc.Find(t, bin+"/rabbitmq-server", "rabbitmq-server")
	config := testproc.ConfigMap(t, "rabbitmq/010-configuration.yaml")
	root := t.TempDir()
	ports := testproc.FreePorts(t, 1+2*clusterSize)
	epmd, ports := ports[0], ports[1:]
	// The command-line tools of all nodes run at the same time.
	ctl := testproc.FreePorts(t, 1)[0]

	writeDefinitions(t, filepath.Join(root, "definitions"))
	writeFile(t, filepath.Join(root, "plugins"), "[].\n", 0o600)
	p, err := testproc.Start(filepath.Join(root, "epmd.log"), nil, testproc.Find(t, "epmd", "erlang-base"),
		"-address", "127.0.0.1", "-port", fmt.Sprint(epmd))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)

	const host = ".rabbitmq-nodes.mp3converter.svc.cluster.local"
	r := &replicas{count: 1}
	for i := range r.nodes {
		name := fmt.Sprintf("rabbitmq-%d", i)
		dir := filepath.Join(root, name)
		n := &replica{
			name: name + "@localhost", dir: dir,
			address: fmt.Sprintf("127.0.0.1:%d", ports[2*i]),
		}
		n.url = fmt.Sprintf("amqp://%s:%s@%s/", User, Password, n.address)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		conf := strings.NewReplacer("rabbit@rabbitmq-", "rabbitmq-", host, "@localhost",
			"/etc/rabbitmq", root).Replace(config["rabbitmq.conf"])
		conf += "listeners.tcp.1 = " + n.address + "\n"
		writeFile(t, filepath.Join(dir, "rabbitmq.conf"), conf, 0o600)
		for _, file := range []string{"first.conf", "start.sh", "alone.sh"} {
			writeFile(t, filepath.Join(dir, file), config[file], 0o600)
		}
		writeFile(t, filepath.Join(dir, ".erlang.cookie"), "rabbitmqtest", 0o400)
		n.env = append(environment(dir, ports[2*i+1], epmd, ctl),
			"PATH="+bin+":"+os.Getenv("PATH"),
			"RABBITMQ_NODENAME="+n.name,
			"RABBITMQ_ENABLED_PLUGINS_FILE="+root+"/plugins",
			"RABBITMQ_CTL_DIST_PORT_MAX="+fmt.Sprint(ctl+20))
		r.nodes[i] = n
		t.Cleanup(func() { n.kill() })
		if os.Getenv("DEBUG_REPLICAS") != "" {
			t.Cleanup(func() { t.Log(n.log()) })
		}
	}
	return r
}

// start creates the pods of the given nodes.
func (r *replicas) start(t *testing.T, nodes ...int) {
	t.Helper()
	for _, i := range nodes {
		n := r.nodes[i]
		env := slices.Concat(n.env, []string{fmt.Sprintf("REPLICAS=%d", r.count)})
		var err error
		n.process, err = testproc.Start(filepath.Join(n.dir, "console.log"), env, "sh", filepath.Join(n.dir, "start.sh"))
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (n *replica) kill() {
	if n.process != nil {
		n.process.Kill()
	}
}

// loseVolume deletes what the node has stored. It must have been stopped.
func (n *replica) loseVolume(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(n.dir, "data")); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in the node's environment and returns its output.
func (n *replica) run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Path = testproc.Find(t, "/bin/sh", "dash")
	cmd.Args = append([]string{"sh", "-c", `exec "$0" "$@"`, name}, args...)
	cmd.Dir = n.dir
	cmd.Env = append(os.Environ(), n.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s on %s: %w\n%s", name, strings.Join(args, " "), n.name, err, out)
	}
	return string(out), nil
}

// ready reports whether the node accepts clients.
func (n *replica) ready() error {
	conn, err := amqp.Dial(n.url)
	if err != nil {
		return err
	}
	return conn.Close()
}

// waitMembers waits until the given nodes are running and each queue has a member on
// each of them, and on no other node.
func (r *replicas) waitMembers(t *testing.T, nodes ...int) {
	t.Helper()
	var names []string
	for _, i := range nodes {
		names = append(names, r.nodes[i].name)
	}
	r.eventually(t, func() error {
		for _, i := range nodes {
			if err := r.nodes[i].ready(); err != nil {
				return fmt.Errorf("%s: %w", r.nodes[i].name, err)
			}
		}
		return r.nodes[nodes[0]].checkMembers(t, names)
	})
}

// checkMembers returns an error if the nodes of the cluster, or those of a queue, are not
// the given ones.
func (n *replica) checkMembers(t *testing.T, names []string) error {
	t.Helper()
	out, err := n.run(t, "rabbitmqctl", "-q", "eval", `
		Text = fun(Nodes) -> [[" ", atom_to_list(N)] || N <- lists:sort(Nodes)] end,
		Lines = [["cluster", Text(rabbit_nodes:all_running())] |
			[[element(4, element(2, Q)), Text(rabbit_quorum_queue:get_replicas(Q))]
				|| Q <- rabbit_amqqueue:list()]],
		binary_to_list(iolist_to_binary(lists:join($;, Lines))).`)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.Trim(strings.TrimSpace(out), `"`), ";")
	if len(lines) < 5 {
		return fmt.Errorf("want four queues: %s", out)
	}
	for _, line := range lines {
		name, members, _ := strings.Cut(line, " ")
		if want := strings.Join(names, " "); members != want {
			return fmt.Errorf("%s: nodes %q, want %q", name, members, want)
		}
	}
	return nil
}

// eventually calls check until it returns nil.
func (r *replicas) eventually(t *testing.T, check func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	var logs strings.Builder
	for _, n := range r.nodes {
		logs.WriteString(n.log())
	}
	t.Fatalf("%v\n%s", err, logs.String())
}

// log returns the end of the node's output.
func (n *replica) log() string {
	b, _ := os.ReadFile(filepath.Join(n.dir, "console.log"))
	return fmt.Sprintf("--- %s\n%s\n", n.name, b[max(0, len(b)-3000):])
}
