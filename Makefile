# Every target works in a fresh clone with Go, Python 3 and git. Tools and downloads are kept outside the repository, in
# $XDG_CACHE_HOME/mlx-ci; all of it may be deleted at any time.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# Without it, the client of Google's storage brings gRPC's routing, which mlx never uses: 18 MB, and half of each start.
TAGS := disable_grpc_modules
TESTFLAGS ?=
SOAK ?= 30m
FUZZTIME ?= 30s
ROWS ?=
REMOTE ?=

.PHONY: build test interop gpu netem lint fuzz soak demo demo-slurm bench docs release-snapshot clean

build: ## bin/mlx, one static binary
	CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/mlx ./cmd/mlx

test: ## go vet and every test
	go vet -tags interop,gpu ./...
	go test $(TESTFLAGS) ./...

interop: ## the tests that need real servers, which are started and stopped
	.ci/interop $(TESTFLAGS)

netem: build ## push and pull over a line of 50 ms and 0.1 % loss; needs root on Linux
	.ci/netem bin/mlx

gpu: ## the tests for a machine with a GPU of NVIDIA
	go test -count=1 -tags gpu -run 'GPU' ./internal/deploy/local

lint: ## gofmt and golangci-lint
	@test -z "$$(gofmt -l .)" || { echo "not gofmt'ed:"; gofmt -l .; exit 1; }
	"$$(.ci/tool golangci-lint)" run ./...

fuzz: ## every fuzz target for FUZZTIME
	.ci/fuzz $(FUZZTIME)

soak: ## the crash harness and the fuzz targets, for as long as SOAK says
	MLX_SOAK=$(SOAK) go test -count=1 -timeout 0 -run 'Crash|Soak|Kill' -v ./...

demo: build ## the story of examples/flights, about four minutes after downloads
	examples/flights/demo.sh

demo-slurm: build ## the training of the demo on a Slurm of two nodes, started for it
	examples/flights/demo-slurm.sh

bench: build ## mlx beside its peers; ROWS=small,status picks rows of snapshots, REMOTE=pull,get of remotes
	go run ./bench/snapshot -mlx bin/mlx $(if $(ROWS),-rows $(ROWS))
	go run ./bench/ledger
	go run ./bench/run -mlx bin/mlx
	go run ./bench/series -mlx bin/mlx
	go run ./bench/log -mlx bin/mlx
	go run -tags $(TAGS) ./bench/tracking
	go run ./bench/pipeline -mlx bin/mlx
	go run ./bench/registry -mlx bin/mlx
	MLX_BENCH_SCAN=$$(.ci/python bench/scan/requirements.txt) go run ./bench/scan -mlx bin/mlx
	MLX_BENCH_TABLE=$$(.ci/python bench/table/requirements.txt) go run -tags $(TAGS) ./bench/table
	MLX_BENCH_GATE=$$(.ci/python bench/gate/requirements.txt) go run ./bench/gate -mlx bin/mlx
	MLX_BENCH_DRIFT=$$(.ci/python bench/drift/requirements.txt) go run ./bench/drift -mlx bin/mlx
	MLX_BENCH_METRICS=$$(.ci/python cmd/mlx/testdata/python/stats.txt) go run ./bench/metrics
	MLX_BENCH_ROWDIFF=$$(.ci/python bench/rowdiff/requirements.txt) go run ./bench/rowdiff -mlx bin/mlx
	go run ./bench/load -mlx bin/mlx
	go run ./bench/ab
	export WORKDIR=$$(mktemp -d) MLX_TEST_MODEL_SIGNING=$$(.ci/python cmd/mlx/testdata/python/model-signing.txt); .ci/registry up; eval "$$(.ci/registry env)"; go run ./bench/image -mlx bin/mlx; .ci/registry down
	eval "$$(.ci/proxies)"; go run ./bench/router; go run ./bench/service -mlx bin/mlx
	eval "$$(.ci/haproxy)"; go run ./bench/haproxy
	go run ./bench/cascade -mlx bin/mlx
	export WORKDIR=$$(mktemp -d) KUBE_CONTROLLERS=traefik; KUBELET=0 .ci/kube up; .ci/kube controllers; eval "$$(.ci/kube env)"; go run ./bench/kube -mlx bin/mlx -rows hundred; .ci/kube up; go run ./bench/kube -mlx bin/mlx -rows lost; .ci/kube down
	export WORKDIR=$$(mktemp -d); .ci/sshd up; .ci/slurm up; eval "$$(.ci/sshd env; .ci/slurm env)"; go run ./bench/train -mlx bin/mlx; .ci/slurm down; .ci/sshd down
	go run ./bench/remote -mlx bin/mlx $(if $(REMOTE),-rows $(REMOTE))

docs: build ## the pages under docs/ that are generated
	.ci/docs

release-snapshot: ## archives, packages, checksums and SBOMs in dist/, signed by nobody
	"$$(.ci/tool goreleaser)" release --snapshot --clean --parallelism 2

clean:
	rm -rf bin build dist
