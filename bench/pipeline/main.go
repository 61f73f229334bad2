//go:build unix

// Command pipeline measures mlx repro that has nothing to do, as a whole process, beside make, and dvc where it is there.
//
//	go run ./bench/pipeline                    1,000 stages; builds nothing, measures bin/mlx
//	go run ./bench/pipeline -keep DIR          fills DIR once and measures it again later
//	go run ./bench/pipeline -n 100 -dvc dvc    the same stages as dvc repro
//
// CPU time is what is judged: wall time depends on who else uses the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mlx/bench/internal/measure"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pipeline:", err)
		os.Exit(1)
	}
}

type options struct {
	mlx    string
	dvc    string
	keep   string
	stages int
	times  int
}

// chain is how many stages follow one another; as many chains as needed stand side by side.
const chain = 10

func start(args []string) error {
	var o options
	flags := flag.NewFlagSet("pipeline", flag.ContinueOnError)
	flags.StringVar(&o.mlx, "mlx", "bin/mlx", "the binary to measure")
	flags.StringVar(&o.dvc, "dvc", "", "dvc to compare with; it needs minutes at 1,000 stages")
	flags.StringVar(&o.keep, "keep", "", "project to use again, made if missing (default: a temporary one, removed)")
	flags.IntVar(&o.stages, "n", 1000, "stages")
	flags.IntVar(&o.times, "times", 7, "runs of each measure; the lowest counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if o.mlx, err = filepath.Abs(o.mlx); err != nil {
		return err
	}
	dir, remove, err := measure.Project(o.keep, "pipeline")
	if err != nil {
		return err
	}
	defer remove()
	o.keep = dir
	if err := o.project(); err != nil {
		return err
	}
	return o.measure()
}

// in is a command in the project.
func (o options) in(args ...string) measure.Command { return measure.Command{Dir: o.keep, Args: args} }

// project makes the project and everything that its stages make, unless it is there.
func (o options) project() error {
	if _, err := os.Stat(filepath.Join(o.keep, "Makefile")); err == nil {
		return nil
	}
	if _, err := measure.Run(measure.Command{Args: []string{"git", "init", "-q", "-b", "main", o.keep}}); err != nil {
		return err
	}
	if _, err := measure.Run(o.in(o.mlx, "init")); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(o.keep, "mlx.yaml"))
	if err != nil {
		return err
	}
	var mlx, dvc, mk, all strings.Builder
	mlx.Write(text)
	mlx.WriteString("stages:\n")
	dvc.WriteString("stages:\n")
	for i := range o.stages {
		deps := []string{"code.sh", fmt.Sprintf("in/%d", i/chain)}
		if i%chain > 0 {
			deps = append(deps, fmt.Sprintf("out/%d", i-1))
		}
		cmd := fmt.Sprintf("sh code.sh %d %s > out/%d", i, strings.Join(deps, " "), i)
		stage := fmt.Sprintf("  s%d:\n    cmd: %s\n    deps: [%s]\n    params: [%s]\n    outs: [out/%d]\n", i, cmd, strings.Join(deps, ", "), "%s", i)
		fmt.Fprintf(&mlx, stage, "params.yaml:depth")
		fmt.Fprintf(&dvc, stage, "depth")
		fmt.Fprintf(&mk, "out/%d: %s params.yaml\n\t%s\n", i, strings.Join(deps, " "), cmd)
		fmt.Fprintf(&all, " out/%d", i)
	}
	files := map[string]string{"mlx.yaml": mlx.String(), "code.sh": "shift; cat \"$@\" | cksum\n", "params.yaml": "depth: 6\n"}
	for i := range (o.stages + chain - 1) / chain {
		files[fmt.Sprintf("in/%d", i)] = fmt.Sprintln("input", i)
	}
	if err := o.write(files); err != nil {
		return err
	}
	for _, args := range [][]string{{"git", "add", "-A"}, {"git", "-c", "user.name=b", "-c", "user.email=b", "commit", "-qm", "bench"}} {
		if _, err := measure.Run(o.in(args...)); err != nil {
			return err
		}
	}
	cost, err := measure.Run(o.in(o.mlx, "repro", "-q", "-j", "2"))
	if err != nil {
		return err
	}
	fmt.Printf("%d stages executed: %.1f s CPU, %.1f s, %.0f MiB peak\n", o.stages, cost.CPU, cost.Wall, float64(cost.PeakBytes)/measure.MiB)
	other := map[string]string{"Makefile": "all:" + all.String() + "\n" + mk.String()}
	if o.dvc != "" {
		other["dvc/dvc.yaml"] = dvc.String()
	}
	return o.write(other)
}

func (o options) write(files map[string]string) error {
	for name, text := range files {
		file := filepath.Join(o.keep, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}

func (o options) measure() error {
	idle := o.in(o.mlx, "repro", "-q")
	for range 2 { // what was written in the last moment is read once more
		if _, err := measure.Run(idle); err != nil {
			return err
		}
	}
	mlx, err := measure.Lowest(o.times, nil, idle)
	if err != nil {
		return err
	}
	mk, err := measure.Lowest(o.times, nil, o.in("make", "-q", "all"))
	if err != nil {
		return err
	}
	plan, err := measure.Lowest(o.times, nil, o.in(o.mlx, "repro", "--dry-run", "--fresh"))
	if err != nil {
		return err
	}
	show, err := measure.Lowest(o.times, nil, o.in(o.mlx, "show", fmt.Sprintf("stage:s%d", o.stages-1)))
	if err != nil {
		return err
	}
	r := measure.Report{Out: os.Stdout, NoBars: o.stages != 1000}
	name := fmt.Sprintf("repro, nothing to do, %d stages", o.stages)
	theirs, peer := mk.CPU, "make -q"
	if o.dvc != "" {
		if theirs, err = o.measureDVC(); err != nil {
			return err
		}
		r.Add(measure.Line{Measure: name, Value: mlx.CPU, Unit: "s", Peer: "dvc repro", Theirs: theirs, Bar: 0.5})
		theirs = mk.CPU
	}
	r.Add(measure.Line{Measure: name, Value: mlx.CPU, Unit: "s", Peer: peer, Theirs: theirs, Bar: 0.5})
	r.Add(measure.Line{Measure: "peak memory of it", Value: float64(mlx.PeakBytes) / measure.MiB, Unit: "MiB"})
	r.Add(measure.Line{Measure: "repro --dry-run --fresh: every byte is read", Value: plan.CPU, Unit: "s"})
	r.Add(measure.Line{Measure: "show stage:NAME of the last one", Value: show.CPU, Unit: "s"})
	if r.Missed > 0 {
		return fmt.Errorf("%d of %d bars missed", r.Missed, r.Met+r.Missed)
	}
	return nil
}

// measureDVC lets dvc make the same stages once, in a copy, and measures it when nothing is to be done.
func (o options) measureDVC() (float64, error) {
	dir := filepath.Join(o.keep, "dvc")
	script := "test -d .git || { git init -q && " + o.dvc + " init -q && cp -r ../in ../code.sh ../params.yaml . && mkdir -p out && " + o.dvc + " repro -q; }"
	if _, err := measure.Run(measure.Command{Dir: dir, Args: []string{"sh", "-c", script}}); err != nil {
		return 0, err
	}
	cost, err := measure.Lowest(2, nil, measure.Command{Dir: dir, Args: []string{o.dvc, "repro", "-q"}})
	return cost.CPU, err
}
