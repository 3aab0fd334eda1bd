package rabbitmq

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Config configures a Publisher.
type Config struct {
	// URL is amqp://user:password@host:port/vhost, or amqps.
	URL string `envconfig:"RABBITMQ_URL" required:"true"`

	// Timeout bounds one Wake, including a new connection.
	Timeout time.Duration `envconfig:"RABBITMQ_TIMEOUT" default:"10s"`
}

// Validate returns an error that names the invalid variable. The error does not
// contain the URL, which holds a password.
func (c Config) Validate() error {
	if _, err := amqp.ParseURI(c.URL); err != nil {
		return errors.New("RABBITMQ_URL must have the form amqp://user:password@host:port/vhost")
	}
	if c.Timeout < 100*time.Millisecond {
		return fmt.Errorf("RABBITMQ_TIMEOUT must be at least 100ms, not %v", c.Timeout)
	}
	return nil
}
