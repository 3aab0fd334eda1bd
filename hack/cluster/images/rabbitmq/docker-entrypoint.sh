#!/bin/sh
# The entry point of the RabbitMQ image drops root and runs the command. This image
# does not run as root, so it only runs the command.
set -eu
exec "$@"
