# `make help` lists the targets.
SHELL := /bin/sh
GO ?= go

.DEFAULT_GOAL := help
.PHONY: help run build install test lint fuzz bench conversion faults preflight secrets cluster cluster-down cluster-check e2e e2e-release minikube rabbitmq-replicas clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## run the whole service on this machine: http://localhost:8080
	@hack/ffmpeg.sh
	@exec bin/mp3converter

build: ## build one program with all functions: bin/mp3converter
	@$(GO) build -o bin/mp3converter ./cmd/mp3converter

install: ## install the program as a command: mp3converter convert FILE...
	@$(GO) install ./cmd/mp3converter

test: ## install the packages that the tests need (Debian) and run all tests
	@hack/test.sh

lint: ## run gofmt, go vet and golangci-lint
	@hack/lint.sh

fuzz: ## run every fuzz target for 30 s
	@hack/fuzz.sh 30s

bench: ## measure the figures of docs/performance.md on this machine
	@$(GO) run ./test/bench

conversion: ## run the long conversion tests: all formats and splice points
	@hack/deps.sh
	CONVERSION=all $(GO) test -count=1 -timeout 60m ./functions/converter/...

faults: ## break stores, disks, networks and processes; writes docs/reliability.md
	@hack/deps.sh
	@$(GO) run ./test/faults

preflight: ## check that a cluster has what the service needs
	@hack/preflight

secrets: ## create the namespace and the credentials on a cluster
	@hack/secrets

cluster: ## start a one-node Kubernetes with Knative on this machine (Debian, root)
	@hack/cluster/up

cluster-down: ## remove that cluster
	@hack/cluster/down

cluster-check: ## test that cluster: Serving, ingress, RabbitmqSource
	@hack/cluster/check

e2e: ## test the service on a cluster, under bursts and failures
	@test/e2e/run

e2e-release: ## the same, with the steps that are run before a release
	@test/e2e/run -release -deletions 10m

minikube: ## run the service on Minikube
	@hack/minikube/up

rabbitmq-replicas: ## run RabbitMQ on a cluster with N=3 replicas, or again with N=1
	@hack/rabbitmq-replicas $(N)

clean: ## remove build results and reports, not data
	rm -rf bin report
