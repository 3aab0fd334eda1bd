#!/bin/sh
# Runs gofmt, go vet and golangci-lint. With "fast" it skips golangci-lint, whose
# first build takes minutes.
set -eu
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l cmd functions shared test hack)
if [ -n "$unformatted" ]; then
	echo "run gofmt -w on these files:" >&2
	echo "$unformatted" >&2
	exit 1
fi
go vet ./...
[ "${1:-}" = fast ] || go tool -modfile hack/tools/go.mod golangci-lint run ./...
