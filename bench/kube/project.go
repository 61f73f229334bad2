//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mlx/bench/internal/measure"
	"mlx/internal/deploy"
	deploykube "mlx/internal/deploy/kube"
	"mlx/internal/lineage"
	"mlx/internal/registry"
)

const (
	repository = "registry.example/team/flights"
	nobody     = "nobody.mlx.test" // the scheduler of pods that nobody runs
)

// nobodysAgent is an image that nobody fetches.
func nobodysAgent() string { return repository + "@sha256:" + strings.Repeat("a", 64) }

// call runs a command of mlx in the project, and tells what it took.
func (b *bench) call(args ...string) (measure.Cost, error) {
	return measure.Run(measure.Command{Dir: b.dir, Env: []string{"KUBECONFIG=" + b.config, "MLX_PROGRESS=false"}, Args: append([]string{b.mlx}, args...)})
}

func serviceName(i int) string { return fmt.Sprintf("service-%03d", i) }

// project makes one with two versions of a model, and services that say how they run in mlx.yaml.
func (b *bench) project() error {
	if err := measure.Init(b.mlx, b.dir); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(b.dir, "mlx.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	fmt.Fprintln(f, "\nservices:")
	for i := range b.services {
		fmt.Fprintf(f, "  %s:\n    model: flights\n    cmd: serve\n    ready: /health\n    schema: none\n    target: kubernetes\n    kubernetes:\n", serviceName(i))
		_, err = fmt.Fprintf(f, "      {namespace: %s, form: gateway, repository: %s, agent: '%s', gateway: %s, path: /%s, pod: {schedulerName: %s}}\n",
			b.client.Namespace(), repository, nobodysAgent(), b.gateway, serviceName(i), nobody)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for _, name := range []string{"m1", "m2"} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(name), 0o600); err != nil {
			return err
		}
		if _, err := b.call("model", "register", "flights", name); err != nil {
			return err
		}
	}
	return nil
}

// records opens the ledger of the project.
func (b *bench) records() (deploy.Book, error) {
	l, err := lineage.Open(lineage.Options{Dir: filepath.Join(b.dir, ".git", "mlx", "ledger"), Now: time.Now, By: "bench", Host: "bench", PID: os.Getpid()})
	return deploy.Book{Ledger: l}, err
}

// releases are the two versions of the model, as they are served.
func releases(book deploy.Book) ([]deploy.Release, error) {
	m, err := registry.Registry{Ledger: book.Ledger, Now: time.Now}.Model(context.Background(), "flights")
	if err != nil {
		return nil, err
	}
	var all []deploy.Release
	for _, v := range m.Versions {
		r := deploy.Release{Model: "flights", Version: v.Version, Record: v.Record, Digest: v.Digest, Image: fmt.Sprintf("sha256:%064d", v.Version),
			Serve: deploy.Serve{Command: "serve", Ready: "/health", Start: 10 * time.Minute, Stop: time.Second, Protocol: "v2"}}
		if r.Key, err = deploy.KeyOf(r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// driver drives a service, by the settings that mlx makes of mlx.yaml.
func (b *bench) driver(cluster *deploykube.Cluster, service string) *deploykube.Driver {
	return deploykube.New(deploykube.Options{Cluster: cluster, Now: time.Now, Holder: "bench", Settings: deploykube.Settings{
		Service: service, Namespace: b.client.Namespace(), Form: deploykube.Gateway, Repository: repository, Gateway: b.gateway, Path: "/" + service,
		Agent: nobodysAgent(), Drain: 30 * time.Second, Pod: map[string]any{"schedulerName": nobody},
		File: func(r deploy.Release) (string, error) { return fmt.Sprintf("m%d", r.Version), nil }}})
}
