//go:build linux

// Command cascade measures stages that answer as one: what it takes to look a hash up among ten million, what a cascade costs beside the
// model behind it, and what is lost while another version of a stage comes into service and goes again.
//
//	make build; go run ./bench/cascade
//
// Rates are offered by a schedule. The machine is shared: compare the columns of one run, and CPU seconds before wall time.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"mlx/bench/internal/measure"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "child-model":
			model("0")
		case "child-port":
			model(os.Getenv("PORT"))
		case "child-cascade":
			answer(os.Args[2:])
		case "child-build":
			build(os.Args[2:])
		}
	}
	b := &bench{report: measure.Report{Out: os.Stdout}}
	flag.IntVar(&b.rounds, "n", 4, "how often latencies are measured; the lowest counts")
	flag.IntVar(&b.hashes, "hashes", 10_000_000, "on the list")
	flag.StringVar(&b.mlx, "mlx", "bin/mlx", "the `PROGRAM` of the rollout")
	only := flag.String("rows", "", "only these `rows`: list, cost, rollout")
	flag.Parse()
	if err := b.start(*only); err != nil {
		fmt.Fprintln(os.Stderr, "cascade:", err)
		os.Exit(1)
	}
}

type bench struct {
	rounds, hashes int
	mlx, dir       string
	report         measure.Report
}

// none is a bar of nothing at all: what is counted in whole numbers is below it or above.
const none = 0.5

func (b *bench) start(only string) error {
	dir, remove, err := measure.Project("", "cascade")
	if err != nil {
		return err
	}
	defer remove()
	b.dir = dir
	return b.report.Run(only,
		measure.Row{Name: "list", Do: b.list},
		measure.Row{Name: "cost", Do: b.cost},
		measure.Row{Name: "rollout", Do: b.rollout})
}

// milliseconds of a time.
func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
