//go:build linux

// Command train measures what a run on another machine costs beside its command: a job that does nothing over ssh to this very
// machine, until its handle is known and until its results are here. The peer is ssh alone.
//
//	.ci/sshd up && eval "$(.ci/sshd env)" && go build -o bin/mlx ./cmd/mlx && go run ./bench/train -mlx bin/mlx
//
// Wall time depends on who else uses the machine; the lowest of several is taken. What the first job brings to the machine, mlx
// itself, is not in it.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"mlx/bench/internal/measure"
)

func main() {
	mlx := flag.String("mlx", "bin/mlx", "`program` to measure")
	times := flag.Int("n", 10, "how often each is tried")
	flag.Parse()
	if err := start(*mlx, *times); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

// The bars, in seconds.
const (
	handleBar  = 0.5
	collectBar = 1.5
)

func start(mlx string, times int) error {
	config := os.Getenv("MLX_TEST_SSH")
	if config == "" {
		return fmt.Errorf("MLX_TEST_SSH names no ssh_config: .ci/sshd up; eval \"$(.ci/sshd env)\"")
	}
	mlx, err := filepath.Abs(mlx)
	if err != nil {
		return err
	}
	dir, remove, err := measure.Project("", "train")
	if err != nil {
		return err
	}
	defer remove()
	if err := os.Setenv("MLX_SSH", "ssh -F '"+config+"'"); err != nil {
		return err
	}
	project := filepath.Join(dir, "project")
	if err := measure.Init(mlx, project); err != nil {
		return err
	}
	yaml, err := os.OpenFile(filepath.Join(project, "mlx.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(yaml, "backends:\n  box: {type: ssh, host: gpu-box, dir: %q}\n", filepath.Join(dir, "node"))
	if closeErr := yaml.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	run := func(words ...string) measure.Command { return measure.Command{Dir: project, Args: words} }
	for _, words := range [][]string{
		{"git", "add", "-A"}, {"git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "one"}, {mlx, "trust", "-y"},
		{mlx, "run", "--on", "box", "--", "true"},
	} {
		if _, err := measure.Run(run(words...)); err != nil {
			return err
		}
	}
	return compare(times, run, mlx, config)
}

func compare(times int, run func(...string) measure.Command, mlx, config string) error {
	report := measure.Report{Out: os.Stdout}
	ssh, err := measure.Lowest(times, nil, run("ssh", "-F", config, "gpu-box", "true"))
	if err != nil {
		return err
	}
	for _, m := range []struct {
		what string
		bar  float64
		args []string
	}{
		{"no-op job over ssh: handle returned", handleBar, []string{mlx, "run", "--on", "box", "--detach", "--", "true"}},
		{"no-op job over ssh: collected", collectBar, []string{mlx, "run", "--on", "box", "--", "true"}},
	} {
		cost, err := measure.Lowest(times, nil, run(m.args...))
		if err != nil {
			return err
		}
		report.Add(measure.Line{Measure: m.what, Value: cost.Wall, Unit: "s", Peer: "ssh HOST true", Theirs: ssh.Wall, Bar: m.bar})
	}
	fmt.Printf("%d bars met, %d missed\n", report.Met, report.Missed)
	return nil
}
