#!/bin/sh
# The image of RabbitMQ runs its command as it is, apart from dropping root; this
# one is started without root already.
set -eu
exec "$@"
