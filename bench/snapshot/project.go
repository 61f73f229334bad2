package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/bench/internal/measure"
)

// project is a folder under git whose data every tool keeps in its own store.
type project struct {
	b      *bench
	root   string
	data   string // the tracked path, below root
	restic string // program, "" when it is no peer
	dvc    string
}

func (b *bench) newProject(name, data string) (*project, error) {
	p := &project{b: b, root: filepath.Join(b.work, name), data: data}
	if err := os.MkdirAll(p.root, 0o755); err != nil {
		return nil, err
	}
	if _, err := p.run("git", "init", "-q", "."); err != nil {
		return nil, err
	}
	return p, p.fresh("mlx")
}

// python returns the Python that has dvc and pyarrow.
func (b *bench) python() (string, error) {
	return b.output(filepath.Join(b.root, ".ci", "python"), filepath.Join(b.root, "bench", "requirements.txt"))
}

// peer finds the program of a peer, "" when it is not asked for.
func (b *bench) peer(name string) (string, error) {
	if !slices.Contains(b.peers, name) {
		return "", nil
	}
	switch name {
	case "dvc":
		python, err := b.python()
		return filepath.Join(filepath.Dir(python), "dvc"), err
	case "restic":
		return b.output(filepath.Join(b.root, ".ci", "tool"), "restic")
	}
	return name, nil
}

func (b *bench) output(args ...string) (string, error) {
	var out bytes.Buffer
	_, err := measure.Run(measure.Command{Args: args, Out: &out, Dir: b.root})
	return strings.TrimSpace(out.String()), err
}

// command is a program run in the project. The environment keeps each tool from asking or calling home.
func (p *project) command(args ...string) measure.Command {
	return measure.Command{Dir: p.root, Args: args, Env: []string{
		"RESTIC_PASSWORD=bench", "RESTIC_REPOSITORY=" + p.path("restic"), "RESTIC_CACHE_DIR=" + p.path("restic-cache"),
		"DVC_NO_ANALYTICS=1", "DVC_SITE_CACHE_DIR=" + p.path("dvc-cache"), "MLX_HINTS=false",
	}}
}

// path is a place beside the project, so that no tool finds another's store in its data.
func (p *project) path(name string) string { return p.root + "-" + name }

func (p *project) run(args ...string) (measure.Cost, error) { return measure.Run(p.command(args...)) }

func (p *project) store() (measure.Size, error) {
	return measure.SizeOf(filepath.Join(p.root, ".git", "mlx", "store"))
}

// fresh throws away what a tool keeps and sets it up anew.
func (p *project) fresh(tool string) error {
	var remove []string
	var setUp []string
	var err error
	switch tool {
	case "mlx":
		remove = []string{filepath.Join(p.root, ".git", "mlx"), filepath.Join(p.root, p.data+".mlx"), filepath.Join(p.root, "mlx.yaml")}
		setUp = []string{p.b.mlx, "init", "-q"}
	case "dvc":
		if p.dvc, err = p.b.peer("dvc"); err != nil {
			return err
		}
		remove = []string{filepath.Join(p.root, ".dvc"), filepath.Join(p.root, p.data+".dvc"), p.path("dvc-cache")}
		setUp = []string{p.dvc, "init", "-q", "-f"}
	case "restic":
		if p.restic, err = p.b.peer("restic"); err != nil {
			return err
		}
		remove = []string{p.path("restic"), p.path("restic-cache")}
		setUp = []string{p.restic, "init", "-q"}
	}
	for _, path := range remove {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	_, err = p.run(setUp...)
	return err
}

// save is how each tool saves a version of the data.
func (p *project) save(tool string) measure.Command {
	switch tool {
	case "dvc":
		return p.command(p.dvc, "add", "-q", p.data)
	case "restic":
		return p.command(p.restic, "backup", "-q", p.data)
	}
	return p.command(p.b.mlx, "snapshot", "-q", p.data)
}

// first measures the first version in a new store, the tools in turn, n runs each but one for dvc, which is slow.
func (p *project) first(n int, tools ...string) (map[string]measure.Cost, error) {
	costs := map[string]measure.Cost{}
	for i := range n {
		for _, tool := range tools {
			if tool != "mlx" && !slices.Contains(p.b.peers, tool) || tool == "dvc" && i > 0 {
				continue
			}
			if err := p.fresh(tool); err != nil {
				return nil, err
			}
			cost, err := measure.Run(p.save(tool))
			if err != nil {
				return nil, err
			}
			if best, seen := costs[tool]; !seen || cost.CPU < best.CPU {
				costs[tool] = cost
			}
		}
	}
	return costs, nil
}
