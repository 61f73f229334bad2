//go:build linux

// Command train measures what a run on another machine costs beside its command, over ssh to this very machine and on a Slurm of
// its own: until the handle of a job that does nothing is known and its results are here, what a second submit sends, what following
// a log takes, how long a list of many jobs takes, how soon ranks meet, and what a profile in shards costs.
//
//	.ci/sshd up && .ci/slurm up && eval "$(.ci/sshd env; .ci/slurm env)"
//	make build && go run ./bench/train -mlx bin/mlx
//
// Wall time depends on who else uses the machine; the lowest of several is taken. What the first job brings to the machine, mlx
// itself, is not in it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/bench/internal/measure"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == countVerb {
		os.Exit(count(os.Args[2], os.Args[3:]))
	}
	mlx := flag.String("mlx", "bin/mlx", "`program` to measure")
	times := flag.Int("n", 5, "how often each is tried")
	jobs := flag.Int("jobs", 1000, "how many jobs are listed")
	only := flag.String("rows", "", "only these `rows`: noop, again, log, list, ranks, shards")
	flag.Parse()
	if err := start(*mlx, *times, *jobs, *only); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

// bench is a project with the backends box and slurm.
type bench struct {
	mlx, dir, project, config string

	times, jobs int
	report      measure.Report
}

func start(mlx string, times, jobs int, only string) error {
	b := &bench{config: os.Getenv("MLX_TEST_SSH"), times: times, jobs: jobs, report: measure.Report{Out: os.Stdout}}
	if b.config == "" || os.Getenv("MLX_TEST_SLURM") == "" {
		return errors.New("MLX_TEST_SSH names no ssh_config, or MLX_TEST_SLURM no slurm.conf: .ci/sshd up; .ci/slurm up; eval \"$(.ci/sshd env; .ci/slurm env)\"")
	}
	var err error
	if b.mlx, err = filepath.Abs(mlx); err != nil {
		return err
	}
	dir, remove, err := measure.Project("", "train")
	if err != nil {
		return err
	}
	defer remove()
	b.dir, b.project = dir, filepath.Join(dir, "project")
	if err := b.prepare(); err != nil {
		return err
	}
	for _, row := range []struct {
		name string
		do   func() error
	}{{"noop", b.noop}, {"again", b.again}, {"log", b.log}, {"list", b.list}, {"ranks", b.ranks}, {"shards", b.shards}} {
		if only != "" && !slices.Contains(strings.Split(only, ","), row.name) {
			continue
		}
		if err := row.do(); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	fmt.Printf("%d bars met, %d missed\n", b.report.Met, b.report.Missed)
	return nil
}

// prepare makes the project, and lets each backend have mlx.
func (b *bench) prepare() error {
	for name, value := range map[string]string{"MLX_SSH": "ssh -F '" + b.config + "'", "SLURM_CONF": os.Getenv("MLX_TEST_SLURM")} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if err := measure.Init(b.mlx, b.project); err != nil {
		return err
	}
	backends := fmt.Sprintf("box: {type: ssh, host: gpu-box, dir: %q}\nslurm: {type: slurm, dir: %q}\n", filepath.Join(b.dir, "node"), filepath.Join(b.dir, "shared"))
	if err := os.WriteFile(filepath.Join(b.project, ".git", "mlx", "backends.yaml"), []byte(backends), 0o666); err != nil {
		return err
	}
	return b.each([]string{"git", "add", "-A"}, []string{"git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "one"},
		b.on("box", "true"), b.on("slurm", "true"))
}

// on is a line of shell on a backend, with flags of mlx run before it.
func (b *bench) on(backend, line string, flags ...string) []string {
	words := append([]string{b.mlx, "run", "--on", backend, "-q"}, flags...)
	return append(words, "--", "sh", "-c", line)
}

func (b *bench) command(words ...string) measure.Command {
	return measure.Command{Dir: b.project, Args: words}
}

// each runs commands one after the other.
func (b *bench) each(commands ...[]string) error {
	for _, words := range commands {
		if _, err := measure.Run(b.command(words...)); err != nil {
			return err
		}
	}
	return nil
}

// idle waits for the jobs before: their nodes are this machine, and would be measured as well.
func (b *bench) idle() error {
	return b.each([]string{"sh", "-c", `"$1" job list | cut -f1 | xargs -r "$1" job wait >/dev/null`, "sh", b.mlx})
}

// noop is a job that does nothing.
func (b *bench) noop() error {
	ssh, err := measure.Lowest(b.times, nil, b.command("ssh", "-F", b.config, "gpu-box", "true"))
	if err != nil {
		return err
	}
	for _, m := range []struct {
		what  string
		bar   float64
		flags []string
	}{
		{"no-op job over ssh: handle returned", 0.5, []string{"--detach"}},
		{"no-op job over ssh: collected", 1.5, nil},
	} {
		cost, err := measure.Lowest(b.times, b.idle, b.command(b.on("box", "true", m.flags...)...))
		if err != nil {
			return err
		}
		b.report.Add(measure.Line{Measure: m.what, Value: cost.Wall, Unit: "s", Peer: "ssh HOST true", Theirs: ssh.Wall, Bar: m.bar})
		b.report.Add(measure.Line{Measure: m.what + ", CPU of the client", Value: cost.CPU, Unit: "s", Peer: "ssh HOST true", Theirs: ssh.CPU})
	}
	return nil
}
