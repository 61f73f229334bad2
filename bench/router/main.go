//go:build linux

// Command router measures the router of mlx beside HAProxy and nginx, all on this machine and with the same models: what a request costs,
// and what is lost while a rollout goes on and its processes are killed and replaced.
//
//	eval "$(.ci/proxies)"; go run ./bench/router
//
// Rates are offered by a schedule, and latencies of the loaded rows count from when a request was due. The machine is shared: compare the
// columns of one run, and CPU seconds before wall time.
package main

import (
	"flag"
	"fmt"
	"os"

	"mlx/bench/internal/child"
	"mlx/bench/internal/measure"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "child-model":
			child.Model(os.Args[2])
		case "child-router":
			route(os.Args[2:])
		}
	}
	rounds := flag.Int("n", 4, "how often each engine is asked; the lowest counts")
	requests := flag.Int("requests", 5000, "of the rollout, at 500 a second")
	only := flag.String("rows", "", "only these `rows`: cost, rollout, lease, kill, shadow, highest")
	flag.Parse()
	if err := start(*rounds, *requests, *only); err != nil {
		fmt.Fprintln(os.Stderr, "router:", err)
		os.Exit(1)
	}
}

type bench struct {
	rounds, requests int
	dir              string
	report           measure.Report
}

// none is a bar of nothing at all: what is counted in whole numbers is below it or above.
const none = 0.5

func start(rounds, requests int, only string) error {
	b := &bench{rounds: rounds, requests: requests, report: measure.Report{Out: os.Stdout}}
	dir, remove, err := measure.Project("", "router")
	if err != nil {
		return err
	}
	defer remove()
	b.dir = dir
	return b.report.Run(only,
		measure.Row{Name: "cost", Do: b.cost},
		measure.Row{Name: "rollout", Do: b.rollout},
		measure.Row{Name: "lease", Do: b.lease},
		measure.Row{Name: "kill", Do: b.kill},
		measure.Row{Name: "shadow", Do: b.shadow},
		measure.Row{Name: "highest", Do: b.highest})
}
