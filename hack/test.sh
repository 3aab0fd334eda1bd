#!/bin/sh
# Installs what the tests run against and runs them all, with the race detector.
set -eu
cd "$(dirname "$0")/.."

WITH_BROWSER=1 hack/deps.sh
hack/lint.sh fast
# Packages run one after another where they start servers of their own.
go test -race -count=1 -timeout 20m ./...
if [ -f hack/manifests/go.mod ]; then
	(cd hack/manifests && go test -count=1 ./...)
fi
