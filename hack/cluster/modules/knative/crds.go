//go:build pin

// Package knative only pins versions: `up` builds the tools named in go.mod and
// reads YAML out of the modules. This import keeps the module whose custom
// resource definitions RabbitmqSource's controller watches.
package knative

import _ "github.com/rabbitmq/messaging-topology-operator/api/v1beta1"
