package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"mlx/bench/internal/measure"
)

const megabyte = 1e6

// project is a git repository with mlx in it, and data at one path.
type project struct {
	b    *bench
	root string
	data string // below root
}

func (b *bench) newProject(name string) (*project, error) {
	p := &project{b: b, root: filepath.Join(b.work, name), data: "data/" + name}
	if err := os.MkdirAll(filepath.Join(p.root, "data"), 0o755); err != nil {
		return nil, err
	}
	return p, p.all([]string{"git", "init", "-q", "-b", "main", "."}, []string{b.mlx, "init", "-q"})
}

// command is a program run in the project.
func (p *project) command(args ...string) measure.Command {
	c := measure.Command{Dir: p.root, Args: args, Env: []string{
		"MLX_HINTS=false", "GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@localhost", "GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@localhost",
		"DVC_NO_ANALYTICS=1", "DVC_SITE_CACHE_DIR=" + p.root + "-dvc-cache", "XDG_CONFIG_HOME=" + filepath.Join(p.b.work, "config"),
	}}
	if p.b.server != nil {
		c.Env = append(c.Env, p.b.server.env...)
	}
	return c
}

func (p *project) run(args ...string) (measure.Cost, error) { return measure.Run(p.command(args...)) }

// all runs commands until one fails.
func (p *project) all(commands ...[]string) error {
	for _, c := range commands {
		if _, err := p.run(c...); err != nil {
			return err
		}
	}
	return nil
}

// save takes a snapshot, without records of anything else, and commits its pointer.
func (p *project) save() error {
	return p.all([]string{p.b.mlx, "snapshot", "-q", p.data}, []string{"git", "add", "-A"}, []string{"git", "commit", "-q", "-m", "data"})
}

// remote adds a remote that is empty, as the default one, and commits mlx.yaml.
func (p *project) remote(name, place string) error {
	return p.all([]string{p.b.mlx, "remote", "add", "-q", "--default", name, place}, []string{"git", "add", "-A"}, []string{"git", "commit", "-q", "-m", "remote"})
}

// clone makes a clone of the project that allows its remotes and holds nothing else.
func (p *project) clone(name string) (*project, error) {
	c := &project{b: p.b, root: p.root + "-" + name, data: p.data}
	if err := os.RemoveAll(c.root); err != nil {
		return nil, err
	}
	if _, err := p.run("git", "clone", "-q", p.root, c.root); err != nil {
		return nil, err
	}
	return c, c.all([]string{p.b.mlx, "trust", "-q", "-y"})
}

// traffic is what mlx says of its requests under -v.
type traffic struct{ requests, sent, received int64 }

var trafficLine = regexp.MustCompile(`(?m)^(\d+) requests? to .*, (?:(\d+) bytes sent, )?(\d+) bytes received$`)

// watched runs mlx with -v.
func (p *project) watched(args ...string) (measure.Cost, traffic, error) {
	var stderr bytes.Buffer
	c := p.command(append([]string{p.b.mlx, "-v"}, args...)...)
	c.Err = &stderr
	cost, err := measure.Run(c)
	if err != nil {
		return cost, traffic{}, err
	}
	m := trafficLine.FindStringSubmatch(stderr.String())
	if m == nil {
		return cost, traffic{}, fmt.Errorf("mlx %s does not say how many requests it made: %s", strings.Join(args, " "), stderr.String())
	}
	var t traffic
	for i, n := range []*int64{&t.requests, &t.sent, &t.received} {
		*n, _ = strconv.ParseInt(m[i+1], 10, 64) // what is left out is 0
	}
	return cost, t, nil
}

// lower keeps the lower of two costs, each of its numbers by itself: noise of a shared machine only ever adds.
func lower(best *measure.Cost, c measure.Cost) {
	if best.Wall == 0 {
		*best = c
		return
	}
	best.CPU, best.Wall, best.PeakBytes = min(best.CPU, c.CPU), min(best.Wall, c.Wall), min(best.PeakBytes, c.PeakBytes)
}

func mib(c measure.Cost) float64 { return float64(c.PeakBytes) / measure.MiB }
