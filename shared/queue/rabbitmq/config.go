package rabbitmq

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Config is how the broker is reached.
type Config struct {
	// URL is amqp://user:password@host:port/vhost, or amqps.
	URL string `envconfig:"RABBITMQ_URL" required:"true"`

	// Timeout bounds one Publish, a new connection included.
	Timeout time.Duration `envconfig:"RABBITMQ_TIMEOUT" default:"10s"`
}

// Validate names the variable that makes no sense. It does not repeat the URL,
// which holds a password.
func (c Config) Validate() error {
	if _, err := amqp.ParseURI(c.URL); err != nil {
		return errors.New("RABBITMQ_URL must have the form amqp://user:password@host:port/vhost")
	}
	if c.Timeout < 100*time.Millisecond {
		return fmt.Errorf("RABBITMQ_TIMEOUT must be at least 100ms, not %v", c.Timeout)
	}
	return nil
}
