//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"mlx/bench/internal/child"
	"mlx/bench/internal/traffic"
	"mlx/internal/deploy"
	"mlx/internal/deploy/cascade"
)

// model is a server that answers at once.
func model(port string) {
	all := http.NewServeMux()
	all.Handle("POST /", traffic.Model(0))
	all.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	child.Serve(port, all)
}

// inside measures a handler from the header of a request to the last byte of its answer.
type inside struct {
	http.Handler
	mu   sync.Mutex
	took []time.Duration
}

// ServeHTTP answers; asked for /took it says what it took since it was asked for that, in microseconds, and begins anew.
func (i *inside) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	i.mu.Lock()
	took := i.took
	if req.URL.Path == "/took" {
		i.took = nil
	}
	i.mu.Unlock()
	if req.URL.Path == "/took" {
		slices.Sort(took)
		_ = json.NewEncoder(w).Encode(map[string]float64{"p50": milliseconds(traffic.At(took, 0.5)), "p99": milliseconds(traffic.At(took, 0.99))})
		return
	}
	began := time.Now()
	i.Handler.ServeHTTP(w, req)
	i.mu.Lock()
	i.took = append(i.took, time.Since(began))
	i.mu.Unlock()
}

// answer answers by a plan, of which the stages with a server have it at an address.
func answer(args []string) {
	plan, err := cascade.ReadPlan(args[0])
	if err != nil {
		child.Fail(err)
	}
	c, err := cascade.New(cascade.Options{Plan: plan, Address: func(int) string { return args[1] }, Trouble: func(int) string { return "" }, Now: time.Now}, nil)
	if err != nil {
		child.Fail(err)
	}
	child.Serve("0", &inside{Handler: c})
}

// build makes a list.
func build(args []string) {
	text := cascade.Text{Name: args[0], Open: func() (io.ReadCloser, error) { return os.Open(args[0]) }}
	if err := cascade.Build(context.Background(), text, args[1], [32]byte{}); err != nil {
		child.Fail(err)
	}
	os.Exit(0)
}

// planned writes a plan, and returns its file.
func (b *bench) planned(name string, stages ...cascade.Stage) (string, error) {
	text, err := json.Marshal(cascade.Plan{Combine: deploy.Combine{By: deploy.CombineCascade}, Idempotent: true, Stages: stages})
	if err != nil {
		return "", err
	}
	file := b.dir + "/" + name + ".json"
	return file, os.WriteFile(file, text, 0o600)
}

// served is a stage with a server.
func served(name string) cascade.Stage {
	return cascade.Stage{ReleaseStage: deploy.ReleaseStage{Name: name, Model: name, OnError: deploy.OnErrorFail, Serve: &deploy.Serve{Protocol: "v2"}}}
}
