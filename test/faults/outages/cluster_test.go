package outages

import (
	"testing"
	"time"

	"mp3converter/shared/queue"
	"mp3converter/test/faults/service"
	"mp3converter/test/toxic"
)

func TestCluster(t *testing.T) {
	if !all {
		t.Skip("FAULTS=all is not set")
	}
	c := service.StartCluster(t, service.Build(t), false)
	u := join(t, c.Service)
	var ledgers []*service.Ledger
	faults := append(networkFaults(t, c), serverFaults(t, c)...)
	processes := append([]string{"janitor", "janitor of orphans"}, service.Functions...)
	faults = append(faults, kill(c.Service, "cluster: functions killed at random", 40*time.Second, processes...))
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) { ledgers = append(ledgers, f.run(t, c.Service, u)) })
	}
	c.Finish(t, ledgers...)
}

// networkFaults returns every fault of the connections to each store.
func networkFaults(t *testing.T, c *service.Cluster) []fault {
	var faults []fault
	for _, store := range []struct {
		name  string
		proxy *toxic.Proxy
	}{{"MongoDB", c.ToDatabase}, {"RabbitMQ", c.ToBroker}, {"MySQL", c.ToUsers}} {
		for _, network := range toxic.Faults() {
			f := fault{
				name: "cluster: connections to " + store.name + ": " + network.Name, during: 8 * time.Second,
				inject: func(t *testing.T) { store.proxy.Apply(t, network) },
				heal:   func(t *testing.T) { store.proxy.Heal(t) },
			}
			if store.name == "MySQL" {
				f.load = registrations(c.Service, t)
			}
			faults = append(faults, f)
		}
	}
	return faults
}

// serverFaults returns the faults of the servers and of the delivery of messages.
func serverFaults(t *testing.T, c *service.Cluster) []fault {
	queues := []string{queue.Video.Name, queue.MP3.Name}
	deliver := func(d service.Delivery) func(*testing.T) { return func(*testing.T) { c.Deliver(d) } }
	return []fault{
		{
			name: "cluster: MongoDB killed", during: 8 * time.Second,
			inject: func(t *testing.T) { c.Database.Kill(t) }, heal: func(t *testing.T) { c.Database.Restart(t) },
		},
		{
			name: "cluster: RabbitMQ killed", during: 8 * time.Second,
			inject: func(t *testing.T) { c.Broker.Kill(t) }, heal: func(t *testing.T) { c.Broker.Restart(t) },
		},
		{
			name: "cluster: MySQL killed", during: 8 * time.Second, load: registrations(c.Service, t),
			inject: func(t *testing.T) { c.Users.Kill(t) }, heal: func(t *testing.T) { c.Users.Restart(t) },
		},
		{
			name: "cluster: RabbitMQ has no disk space", during: 10 * time.Second,
			inject: func(t *testing.T) { c.Broker.Ctl(t, "set_disk_free_limit", "1000000GB") },
			heal:   func(t *testing.T) { c.Broker.Ctl(t, "set_disk_free_limit", "50MB") },
		},
		{
			name: "cluster: queues deleted", during: 8 * time.Second,
			inject: func(t *testing.T) {
				for _, q := range queues {
					c.Broker.Ctl(t, "delete_queue", q)
				}
			},
			heal: func(t *testing.T) { c.Broker.Redefine(t) },
		},
		{name: "cluster: every message lost", during: 10 * time.Second, inject: deliver(service.Never), heal: deliver(service.Once)},
		{name: "cluster: every message doubled", during: 10 * time.Second, inject: deliver(service.Twice), heal: deliver(service.Once)},
	}
}
