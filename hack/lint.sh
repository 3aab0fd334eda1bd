#!/bin/sh
# Checks form. With "fast" it does without golangci-lint, whose first build
# takes minutes.
set -eu
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l cmd functions shared test hack)
if [ -n "$unformatted" ]; then
	echo "gofmt -w is needed on:" >&2
	echo "$unformatted" >&2
	exit 1
fi
go vet ./...
[ "${1:-}" = fast ] || go tool -modfile hack/tools/go.mod golangci-lint run ./...
