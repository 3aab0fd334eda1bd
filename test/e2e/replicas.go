package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"mp3converter/shared/id"
	"mp3converter/shared/queue"
	"mp3converter/shared/queue/rabbitmq"
)

// runReplicas runs RabbitMQ with three replicas and takes away one of them in each of
// three bursts: the leader of the queue video without time to shut down, a follower, and
// a pod with its volume. Then it goes back to one replica.
func runReplicas(ctx context.Context, s *suite) error {
	if err := s.scaleRabbitMQ(ctx, 3); err != nil {
		return err
	}
	deletions := []struct {
		name string
		pod  func(leader string) string // the pod to delete
		args func(pod string) []string
	}{
		{
			"leader", func(leader string) string { return leader },
			func(pod string) []string { return []string{"pod/" + pod, "--grace-period=1"} },
		},
		{
			"follower", otherReplica,
			func(pod string) []string { return []string{"pod/" + pod} },
		},
		{
			"volume", func(leader string) string { return leader },
			func(pod string) []string { return []string{"persistentvolumeclaim/data-" + pod, "pod/" + pod} },
		},
	}
	var failed error
	for _, d := range deletions {
		err := s.failDuringBurst(ctx, 2, func() error {
			leader, err := s.cluster.leader(ctx)
			if err != nil {
				return err
			}
			pod := d.pod(leader)
			return s.measureOutage(ctx, d.name, otherReplica(pod), func() error {
				args := append([]string{"delete", "--wait=false"}, d.args(pod)...)
				_, err := s.cluster.kubectl(ctx, args...)
				return err
			})
		})
		if err == nil {
			err = s.waitReplicas(ctx, 3)
		}
		if err != nil {
			failed = fmt.Errorf("%s: %w", d.name, err)
			break
		}
	}
	return errors.Join(failed, s.scaleRabbitMQ(ctx, 1), s.cluster.waitNoPods(ctx))
}

// otherReplica returns a pod that is not the given one.
func otherReplica(pod string) string {
	return map[string]string{"rabbitmq-0": "rabbitmq-1", "rabbitmq-1": "rabbitmq-2", "rabbitmq-2": "rabbitmq-0"}[pod]
}

// scaleRabbitMQ runs the command of the README and checks its result.
func (s *suite) scaleRabbitMQ(ctx context.Context, replicas int) error {
	start := time.Now()
	out, err := exec.CommandContext(ctx, "hack/rabbitmq-replicas", fmt.Sprint(replicas)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("hack/rabbitmq-replicas: %w: %s", err, out)
	}
	s.recordFigure(fmt.Sprintf("replicas: to %d after, s", replicas), time.Since(start).Seconds())
	return s.waitReplicas(ctx, replicas)
}

// waitReplicas waits until there are as many ready pods, with as many volumes, and as
// many members of every queue.
func (s *suite) waitReplicas(ctx context.Context, want int) error {
	return poll(ctx, time.Second, func() (bool, error) {
		ready, err := s.cluster.kubectl(ctx, "get", "statefulset", "rabbitmq", "-o", "jsonpath={.status.replicas} {.status.readyReplicas}")
		if err != nil || ready != fmt.Sprintf("%d %d", want, want) {
			return false, fmt.Errorf("pods and ready pods: %q, %w", ready, err)
		}
		volumes, err := s.cluster.kubectl(ctx, "get", "persistentvolumeclaims", "-l", "app=rabbitmq", "-o", "jsonpath={.items[*].status.phase}")
		if err != nil || strings.Count(volumes, "Bound") != want || len(strings.Fields(volumes)) != want {
			return false, fmt.Errorf("volumes: %q, %w", volumes, err)
		}
		members, err := s.cluster.rabbitmq(ctx, "rabbitmq-0", `
			[length(rabbit_quorum_queue:get_replicas(Q)) || Q <- rabbit_amqqueue:list()].`)
		if err != nil || members != strings.TrimSuffix("["+strings.Repeat(fmt.Sprint(want)+",", 4), ",")+"]" {
			return false, fmt.Errorf("members of the queues: %q, %w", members, err)
		}
		return true, nil
	})
}

// rabbitmq evaluates an Erlang expression on the node of a pod.
func (c *cluster) rabbitmq(ctx context.Context, pod, expression string) (string, error) {
	out, err := c.kubectl(ctx, "exec", pod, "-c", "rabbitmq", "--", "rabbitmqctl", "-q", "eval", expression)
	return strings.TrimSpace(out), err
}

// leader returns the pod of the leader of the queue video.
func (c *cluster) leader(ctx context.Context) (string, error) {
	node, err := c.rabbitmq(ctx, "rabbitmq-0", `{ok, _, {_, Node}} = ra:members({'%2F_video', node()}, 5000), Node.`)
	pod, _, _ := strings.Cut(strings.TrimPrefix(node, "'rabbit@"), ".")
	if err == nil && otherReplica(pod) == "" {
		err = fmt.Errorf("unknown leader %s", node)
	}
	return pod, err
}

// outageWatch is how long an outage is watched.
const outageWatch = 40 * time.Second

// watchLeader lets a node that stays measure in the background the longest time, in
// milliseconds, without a leader of the queue video.
var watchLeader = fmt.Sprintf(`
	persistent_term:erase(leaderless),
	HasLeader = fun() ->
		case catch ra:members({'%%2F_video', node()}, 200) of
			{ok, _, {_, Node}} -> lists:member(Node, [node() | nodes()]);
			_ -> false
		end
	end,
	Now = fun() -> erlang:monotonic_time(millisecond) end,
	End = Now() + %d,
	Watch = fun Watch(Last, Longest) ->
		timer:sleep(20),
		Led = HasLeader(),
		Time = Now(),
		Next = case Led of true -> Time; false -> Last end,
		case Time < End of
			true -> Watch(Next, max(Longest, Time - Last));
			false -> max(Longest, Time - Last)
		end
	end,
	spawn(fun() -> persistent_term:put(leaderless, Watch(Now(), 0)) end).`, outageWatch.Milliseconds())

// measureOutage reports how long the queue video has no leader, and how long no wake-up
// is confirmed, after remove has deleted a pod. The pod witness stays.
func (s *suite) measureOutage(ctx context.Context, name, witness string, remove func() error) error {
	ctx, cancel := context.WithTimeout(ctx, outageWatch+2*time.Minute)
	defer cancel()
	publisher, err := s.publisher(ctx)
	if err != nil {
		return err
	}
	defer publisher.Close()
	if _, err := s.cluster.rabbitmq(ctx, witness, watchLeader); err != nil {
		return err
	}
	if err := remove(); err != nil {
		return err
	}
	unconfirmed, err := longestUnconfirmed(ctx, publisher, outageWatch-5*time.Second)
	if err != nil {
		return err
	}
	var leaderless float64
	err = poll(ctx, time.Second, func() (bool, error) {
		out, err := s.cluster.rabbitmq(ctx, witness, `persistent_term:get(leaderless, watching).`)
		if err != nil {
			return false, err
		}
		_, err = fmt.Sscan(out, &leaderless)
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("watch the leader: %w", err)
	}
	s.recordFigure("replicas: "+name+" deleted, without a leader, s", leaderless/1000)
	s.recordFigure("replicas: "+name+" deleted, without a confirmed publish, s", unconfirmed.Seconds())
	return nil
}

// longestUnconfirmed publishes wake-ups for no job, which have no effect, and returns
// the longest time between two confirmations.
func longestUnconfirmed(ctx context.Context, p *rabbitmq.Publisher, d time.Duration) (time.Duration, error) {
	var longest time.Duration
	start := time.Now()
	last := start
	for time.Since(start) < d {
		err := p.Wake(ctx, queue.Video, id.New())
		if ctx.Err() != nil {
			return 0, fmt.Errorf("no publish was confirmed for %v: %w", time.Since(last), err)
		}
		if err == nil {
			now := time.Now()
			longest = max(longest, now.Sub(last))
			last = now
		}
		sleep(ctx, 200*time.Millisecond)
	}
	if time.Since(last) > 5*time.Second {
		return 0, fmt.Errorf("no publish was confirmed in the last %v", time.Since(last))
	}
	return longest, nil
}

// publisher returns a publisher with the gateway's rights. It connects to the Service,
// through a kubectl that is started again when its pod is gone.
func (s *suite) publisher(ctx context.Context) (*rabbitmq.Publisher, error) {
	address, err := s.cluster.secret(ctx, "rabbitmq-gateway", "url")
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the Secret rabbitmq-gateway has no URL") // err contains the password
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u.Host = l.Addr().String()
	_, port, _ := net.SplitHostPort(u.Host)
	l.Close()
	go func() {
		for ctx.Err() == nil {
			_, _ = s.cluster.kubectl(ctx, "port-forward", "service/rabbitmq", port+":5672")
			sleep(ctx, 100*time.Millisecond)
		}
	}()
	p, err := rabbitmq.New(rabbitmq.Config{URL: u.String(), Timeout: 5 * time.Second}, "e2e")
	if err != nil {
		return nil, err
	}
	return p, poll(ctx, 200*time.Millisecond, func() (bool, error) {
		err := p.Wake(ctx, queue.Video, id.New())
		return err == nil, err
	})
}
