#!/bin/sh
# Installs the packages that the tests need and runs all tests with the race
# detector.
set -eu
cd "$(dirname "$0")/.."

# Builds need no version control information, and git refuses to read it when the
# checkout belongs to another user, as in many containers.
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"

WITH_BROWSER=1 hack/deps.sh
hack/lint.sh fast
go test -race -count=1 -timeout 20m ./...
(cd hack/cluster/modules/tools && go test -count=1 ./registry)
