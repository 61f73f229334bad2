//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/traffic"
)

// none is a bar of nothing at all: what is counted in whole numbers is below it or above.
const none = 0.5

const podConfig = `
services:
  flights:
    model: m
    cmd: /app/served child-model
    ready: /health
    replicas: 2
    schema: none
    start_timeout: 2m
    target: kubernetes
    kubernetes: {namespace: %[1]s, form: gateway, repository: %[2]s, agent: '%[3]s', gateway: %[4]s, path: /%[1]s}
    rollout: {steps: [1%%, 5%%, 20%%, 100%%], bake: 3s, max_bake: 5m, min_samples: 10, lease: 30s, checks: [{expr: errors < 0.5}]}
`

// model answers as a server in a pod.
func model() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/", traffic.Model(time.Millisecond))
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), mux))
	os.Exit(1)
}

// podProject makes a project with packages of two versions, which are pushed to where nodes pull them from.
func (b *bench) podProject(where string) error {
	if b.dir = filepath.Join(b.dir, "pods"); b.agent == "" {
		b.agent = b.mlx
	}
	if err := measure.Init(b.mlx, b.dir); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(b.dir, "mlx.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, podConfig, b.client.Namespace(), where, b.agent, b.gateway)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for _, name := range []string{"m1", "m2"} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(name), 0o600); err != nil {
			return err
		}
	}
	served, key := filepath.Join(b.dir, "serve", "served"), filepath.Join(b.dir, ".git", "key")
	build := measure.Command{Env: []string{"CGO_ENABLED=0"}, Args: []string{"go", "build", "-ldflags", "-s -w", "-o", served, "./bench/kube"}}
	if _, err := measure.Run(build); err != nil {
		return err
	}
	for _, words := range [][]string{
		{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key}, {"git", "config", "gpg.format", "ssh"}, {"git", "config", "user.signingkey", key + ".pub"},
		{"git", "config", "user.name", "bench"}, {"git", "config", "user.email", "bench@mlx.test"}, {"git", "add", "-A"}, {"git", "commit", "-qm", "server"},
		{b.mlx, "key", "add", key + ".pub"}, {b.mlx, "model", "register", "m", "m1"}, {b.mlx, "model", "register", "m", "m2"},
		{b.mlx, "model", "package", "m@v1", "--code", "HEAD:serve", "--push", where}, {b.mlx, "model", "package", "m@v2", "--code", "HEAD:serve", "--push", where},
	} {
		if _, err := measure.Run(measure.Command{Dir: b.dir, Env: []string{"KUBECONFIG=" + b.config}, Args: words}); err != nil {
			return err
		}
	}
	return nil
}

// lost rolls a version out over pods behind the gateway and takes it back, while users ask.
func (b *bench) lost() error {
	registry, address := os.Getenv("MLX_TEST_KUBE_REGISTRY"), os.Getenv("MLX_TEST_KUBE_GATEWAY_ADDRESS")
	if registry == "" || address == "" {
		return errors.New(`no pods run there: .ci/kube up; .ci/kube controllers; eval "$(.ci/kube env)"`)
	}
	if err := b.podProject(registry + "/" + b.client.Namespace() + "/m"); err != nil {
		return err
	}
	if _, err := b.call("deploy", "flights", "m@v1"); err != nil {
		return err
	}
	url := "http://" + address + "/" + b.client.Namespace() + "/v2/models/m/infer"
	if err := answers(url); err != nil {
		return err
	}
	cluster, began := b.clusterCPU(), time.Now()
	o, err := b.asked("1-5-20-100 %", url, func() error {
		_, err := b.call("deploy", "flights", "m@v2")
		return err
	})
	if err != nil {
		return err
	}
	var back measure.Cost
	_, err = b.asked("rollback, and 10 s", url, func() error {
		var err error
		if back, err = b.call("rollback", "flights", "-m", "measured"); err == nil {
			time.Sleep(10 * time.Second) // what has no role any more ends
		}
		return err
	})
	if err != nil {
		return err
	}
	spent := time.Since(began).Seconds()
	middle := measure.Milliseconds(traffic.At(o.Took, 0.5))
	b.report.Add(measure.Line{Measure: fmt.Sprintf("P50 through the gateway and a meter, %d/s", b.rate), Value: middle, Unit: "ms"})
	b.report.Add(measure.Line{Measure: "mlx rollback of it as a whole", Value: back.Wall, Unit: "s"})
	b.report.Add(measure.Line{Measure: "its CPU", Value: back.CPU, Unit: "s"})
	b.report.Add(measure.Line{Measure: "CPU of the cluster's programs, without pods", Value: 100 * (b.clusterCPU() - cluster) / spent, Unit: "% of a core"})
	return nil
}

// asked counts what is lost while something is done.
func (b *bench) asked(what, url string, do func() error) (traffic.Outcome, error) {
	o, err := traffic.During(url, b.rate, do)
	if err != nil {
		return o, err
	}
	if o.Lost > 0 {
		fmt.Println("the first that was lost:", o.First)
	}
	b.report.Add(measure.Line{Measure: fmt.Sprintf("lost of %d: %s", o.Sent, what), Value: float64(o.Lost), Unit: "requests", Bar: none})
	return o, nil
}

// answers waits until the gateway has the route.
func answers(url string) error {
	ctx, end := context.WithTimeout(context.Background(), time.Minute)
	defer end()
	for ctx.Err() == nil {
		if o := traffic.Offer(url, 20, 5, nil); o.Lost == 0 {
			return nil
		}
	}
	return errors.New("the gateway does not answer at " + url)
}
