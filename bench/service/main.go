//go:build linux

// Command service measures a service of mlx as people run one, through mlx service run, deploy and rollback: what is lost while versions and
// processes change under load, how fast a rollback is, and what the router costs with and without a log of predictions, beside HAProxy and
// nginx in front of the same servers.
//
//	eval "$(.ci/proxies)"; go run ./bench/service -mlx bin/mlx
//
// Rates are offered by a schedule. The machine is shared: compare the columns of one run, and CPU seconds before wall time. bench/router
// measures the router alone.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/traffic"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child-model" {
		model()
	}
	var b bench
	flag.StringVar(&b.mlx, "mlx", "bin/mlx", "the mlx to measure")
	flag.IntVar(&b.rounds, "n", 5, "rounds with and without the log, in turn; the lowest of each counts")
	flag.DurationVar(&b.slow, "slow", 5*time.Second, "what the server of the cold rollback takes to start")
	only := flag.String("rows", "", "only these `rows`: rollout, back, controller, kill, log, highest")
	flag.Parse()
	if err := b.start(*only); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

type bench struct {
	mlx    string
	rounds int
	slow   time.Duration
	dir    string // of the project
	report measure.Report
}

// none is a bar of nothing at all: what is counted in whole numbers is below it or above.
const none = 0.5

// model serves on $PORT; the file of the model says how long it takes to be ready, and thinks 1 ms a request.
func model() {
	text, err := os.ReadFile(os.Getenv("MLX_MODEL"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, after, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	wait, err := time.ParseDuration(after)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	time.Sleep(wait)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	mux.Handle("/", traffic.Model(time.Millisecond))
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), mux))
	os.Exit(1)
}

const projectConfig = `
services:
  plain:
    model: m
    cmd: exec '%[1]s' child-model
    code: [mlx.yaml]
    ready: /health
    idempotent: true
    rollout: {steps: [1%%, 5%%, 20%%, 100%%], bake: 2s, max_bake: 5m, min_samples: 10, lease: 2s, checks: [{expr: errors < 0.5}]}
  logged:
    model: m
    cmd: exec '%[1]s' child-model
    code: [mlx.yaml]
    ready: /health
    idempotent: true
    log: {share: 100%%}
`

// project makes one with four versions of a model; the server of the first takes its time.
func (b *bench) project() error {
	self, err := os.Executable()
	if err == nil {
		err = measure.Init(b.mlx, b.dir)
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(b.dir, "mlx.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, projectConfig, self)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for i, wait := range []time.Duration{b.slow, 0, 0, 0, 0} {
		name := fmt.Sprintf("m%d", i+1)
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(fmt.Sprintln(name, wait)), 0o600); err != nil {
			return err
		}
		if err := b.call("model", "register", "m", name); err != nil {
			return err
		}
	}
	return nil
}

// call runs a command of mlx to its end.
func (b *bench) call(args ...string) error {
	_, err := measure.Run(measure.Command{Dir: b.dir, Args: append([]string{b.mlx}, args...)})
	return err
}

func (b *bench) start(only string) error {
	b.report.Out = os.Stdout
	var err error
	if b.mlx, err = filepath.Abs(b.mlx); err != nil {
		return err
	}
	dir, remove, err := measure.Project("", "service")
	if err != nil {
		return err
	}
	defer remove()
	b.dir = dir
	if err := b.project(); err != nil {
		return err
	}
	return b.report.Run(only,
		measure.Row{Name: "rollout", Do: b.rollout},
		measure.Row{Name: "back", Do: b.back},
		measure.Row{Name: "controller", Do: b.controller},
		measure.Row{Name: "kill", Do: b.kill},
		measure.Row{Name: "log", Do: b.log},
		measure.Row{Name: "highest", Do: b.highest})
}
