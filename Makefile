# Everything a person does with this repository. `make help` lists it.
SHELL := /bin/sh
GO ?= go

.DEFAULT_GOAL := help
.PHONY: help run build test lint fuzz bench conversion secrets cluster cluster-down cluster-check e2e minikube clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## the whole service on this machine: http://localhost:8080
	@hack/ffmpeg.sh
	@exec bin/mp3converter

build: ## one program that holds every function
	@$(GO) build -o bin/mp3converter ./cmd/mp3converter

test: ## install what the tests need (Debian) and run them all
	@hack/test.sh

lint: ## gofmt, go vet and golangci-lint
	@hack/lint.sh

fuzz: ## every fuzz target for 30 s each
	@hack/fuzz.sh 30s

bench: ## measure the figures of docs/performance.md on this machine
	@$(GO) run ./test/bench

conversion: ## the long tests of the conversion: every format, every joint
	@hack/deps.sh
	CONVERSION=all $(GO) test -count=1 -timeout 60m ./functions/converter/...

secrets: ## generate every credential of a cluster once
	@hack/secrets

cluster: ## a real one-node Kubernetes with Knative on this machine (Debian-like Linux, root)
	@hack/cluster/up

cluster-down: ## remove every trace of it
	@hack/cluster/down

cluster-check: ## prove that cluster's parts: Serving, ingress, RabbitmqSource
	@hack/cluster/check

e2e: ## the service on that cluster, under bursts and failures
	@test/e2e/run

minikube: ## the service on Minikube
	@hack/minikube/up

clean: ## remove what was built (not your data)
	rm -rf bin report
