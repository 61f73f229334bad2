//go:build linux

// Command haproxy measures a service behind an HAProxy that mlx drives: what is lost while a rollout goes on and its processes are killed,
// how exact the shares are, and what a request costs beside HAProxy alone. All is on this machine, with the same models.
//
//	eval "$(.ci/haproxy)"; go run ./bench/haproxy
//
// Rates are offered by a schedule. The machine is shared: compare the columns of one run, and CPU seconds before wall time.
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
		case "child-plane":
			plane(os.Args[2:])
		}
	}
	requests := flag.Int("requests", 10_000, "of the rollout, at 500 a second")
	only := flag.String("rows", "", "only these `rows`: rollout, plane, reload, lease, cost")
	flag.Parse()
	if err := start(*requests, *only); err != nil {
		fmt.Fprintln(os.Stderr, "haproxy:", err)
		os.Exit(1)
	}
}

type bench struct {
	requests int
	dir      string
	report   measure.Report
}

// none is a bar of nothing at all: what is counted in whole numbers is below it or above.
const none = 0.5

func start(requests int, only string) error {
	b := &bench{requests: requests, report: measure.Report{Out: os.Stdout}}
	dir, err := os.MkdirTemp("", "mlx-haproxy-") // the paths of sockets are short
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	return b.report.Run(only,
		measure.Row{Name: "rollout", Do: b.rollout},
		measure.Row{Name: "plane", Do: b.plane},
		measure.Row{Name: "reload", Do: b.reload},
		measure.Row{Name: "lease", Do: b.lease},
		measure.Row{Name: "cost", Do: b.cost})
}
