//go:build linux

// Command kube measures what mlx asks of a Kubernetes. API server, controllers and gateway are real. The rows of a hundred services need no node:
// pods are for a scheduler that is not there, and this program says of them that they are ready, as a kubelet would; meters are not asked then. The
// row lost needs a node on which pods run.
//
//	KUBELET=0 .ci/kube up; KUBE_CONTROLLERS=traefik .ci/kube controllers; eval "$(.ci/kube env)"; go run ./bench/kube -rows hundred
//	.ci/kube up; go run ./bench/kube -rows lost
//
// What is called one process are controllers of mlx in this program, each with the driver, the ledger and the clock that it has in mlx; a command is a
// process of mlx. The machine is shared with the cluster, which needs most of the time: compare the columns of one run, and CPU seconds before wall time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mlx/bench/internal/measure"
	"mlx/internal/kube"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child-model" {
		model()
	}
	b := &bench{report: measure.Report{Out: os.Stdout}}
	flag.IntVar(&b.services, "services", 100, "how many")
	flag.StringVar(&b.mlx, "mlx", "bin/mlx", "the `PROGRAM` of commands")
	flag.StringVar(&b.agent, "agent", "", "the `PROGRAM` in pods, linked statically; that of commands when absent")
	flag.IntVar(&b.rate, "rate", 500, "requests a second of the row lost")
	only := flag.String("rows", "", "only these `rows`: hundred, lost")
	flag.Parse()
	if err := b.start(*only); err != nil {
		fmt.Fprintln(os.Stderr, "kube:", err)
		os.Exit(1)
	}
}

type bench struct {
	services int
	rate     int    // requests a second
	mlx, dir string // dir is the project
	agent    string // mlx in pods
	config   string // kubeconfig
	client   *kube.Client
	gateway  string
	moved    time.Duration // what a step of all services took
	report   measure.Report
}

func (b *bench) start(only string) error {
	b.config, b.gateway = os.Getenv("MLX_TEST_KUBE"), os.Getenv("MLX_TEST_KUBE_GATEWAY")
	if b.config == "" || b.gateway == "" {
		return errors.New(`there is no cluster with a gateway: .ci/kube up; .ci/kube controllers; eval "$(.ci/kube env)"`)
	}
	b.report.NoBars = b.services != 100
	var err error
	if b.mlx, err = filepath.Abs(b.mlx); err != nil {
		return err
	}
	if b.agent != "" {
		if b.agent, err = filepath.Abs(b.agent); err != nil {
			return err
		}
	}
	dir, remove, err := measure.Project("", "kube")
	if err != nil {
		return err
	}
	defer remove()
	b.dir = dir
	name := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	if b.client, err = kube.Open(kube.Config{Files: []string{b.config}, Namespace: name, Agent: "mlx-bench"}); err != nil {
		return err
	}
	namespaces := kube.Resource{Version: "v1", Plural: "namespaces", Everywhere: true}
	err = b.client.Create(context.Background(), namespaces, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = b.client.Delete(context.Background(), namespaces, name, kube.Removal{}) }()
	return b.report.Run(only, measure.Row{Name: "hundred", Do: b.hundred}, measure.Row{Name: "lost", Do: b.lost})
}
