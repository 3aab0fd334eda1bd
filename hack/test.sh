#!/bin/sh
# Installs what the tests run against and runs them all, with the race detector.
set -eu
cd "$(dirname "$0")/.."

# Nothing that the tests build needs the state of the checkout, and git refuses to
# tell it where the checkout belongs to another user, as in many containers.
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"

WITH_BROWSER=1 hack/deps.sh
hack/lint.sh fast
go test -race -count=1 -timeout 20m ./...
(cd hack/cluster/modules/tools && go test -count=1 ./registry)
