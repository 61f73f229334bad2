package main

import (
	"os"
	"path/filepath"
	"strconv"

	"mlx/bench/internal/measure"
)

const megabyte = 1e6

// smallProject is a project with the small files in place and saved by mlx once; made on first use.
func (b *bench) smallProject() (*project, error) {
	if b.small != nil {
		return b.small, nil
	}
	p, err := b.treeProject("small", b.scale)
	if err != nil {
		return nil, err
	}
	if _, err := measure.Run(p.save("mlx")); err != nil {
		return nil, err
	}
	b.small = p
	return p, nil
}

// treeProject has a copy of the small files, read once.
func (b *bench) treeProject(name string, scale float64) (*project, error) {
	source, err := b.workload("small", scale, "small")
	if err != nil {
		return nil, err
	}
	p, err := b.newProject(name, "data/small")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(p.root, "data"), 0o755); err != nil {
		return nil, err
	}
	if _, err := p.run("cp", "-r", source+"/.", p.data); err != nil {
		return nil, err
	}
	return p, measure.Warm(filepath.Join(p.root, p.data))
}

func (b *bench) smallFirst() error {
	p, err := b.smallProject()
	if err != nil {
		return err
	}
	costs, err := p.first(b.runs, "mlx", "restic", "dvc")
	if err != nil {
		return err
	}
	mlx := costs["mlx"]
	b.report.Add(measure.Line{Measure: "small: first snapshot, CPU", Value: mlx.CPU, Unit: "s", Bar: 2.5})
	for _, peer := range []struct {
		tool, what string
		factor     float64
	}{{"dvc", "dvc add", 10}, {"restic", "restic backup", 2.5}} {
		if theirs, ok := costs[peer.tool]; ok {
			b.report.Add(measure.Line{Measure: "small: first snapshot, times faster than", Value: theirs.CPU / mlx.CPU, Unit: "x",
				Bar: peer.factor, AtLeast: true, Peer: peer.what})
			b.report.Add(measure.Line{Measure: "small: first snapshot, CPU", Value: mlx.CPU, Unit: "s", Peer: peer.what, Theirs: theirs.CPU})
			b.report.Add(measure.Line{Measure: "small: first snapshot, peak memory", Value: mib(mlx), Unit: "MiB", Bar: 128,
				Peer: peer.what, Theirs: mib(theirs)})
		}
	}
	if len(costs) == 1 {
		b.report.Add(measure.Line{Measure: "small: first snapshot, peak memory", Value: mib(mlx), Unit: "MiB", Bar: 128})
	}
	return p.stored("small")
}

// stored reports the size of mlx's store beside restic's, when that holds the same.
func (p *project) stored(what string) error {
	ours, err := p.store()
	if err != nil {
		return err
	}
	theirs, err := measure.SizeOf(p.path("restic"))
	if err != nil {
		return err
	}
	peer := ""
	if theirs.Files > 0 {
		peer = "restic"
	}
	p.b.report.Add(measure.Line{Measure: what + ": stored", Value: float64(ours.Bytes) / megabyte, Unit: "MB", Bar: 280,
		Peer: peer, Theirs: float64(theirs.Bytes) / megabyte})
	p.b.report.Add(measure.Line{Measure: what + ": stored in", Value: float64(ours.Files), Unit: "files", Bar: 50,
		Peer: peer, Theirs: float64(theirs.Files)})
	return nil
}

func (b *bench) smallStatus() error {
	p, err := b.smallProject()
	if err != nil {
		return err
	}
	// git's own repository of the same files, kept elsewhere.
	git := []string{"git", "--git-dir=" + p.path("git"), "--work-tree=" + filepath.Join(p.root, p.data)}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"}} {
		if _, err := p.run(append(git, args...)...); err != nil {
			return err
		}
	}
	ours, theirs, err := p.inTurn(p.command(b.mlx, "status"), p.command(append(git, "status")...))
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "small: status, nothing changed, CPU", Value: ours.CPU, Unit: "s", Bar: 0.25,
		Peer: "git status", Theirs: theirs.CPU})
	b.report.Add(measure.Line{Measure: "small: status, share of git's", Value: ours.CPU / theirs.CPU, Unit: "x", Bar: 1})
	return nil
}

// inTurn measures ours and theirs one after the other, runs times, and keeps the lowest of each.
func (p *project) inTurn(ours, theirs measure.Command) (a, b measure.Cost, err error) {
	for i := range p.b.runs {
		x, err := measure.Run(ours)
		if err != nil {
			return a, b, err
		}
		y, err := measure.Run(theirs)
		if err != nil {
			return a, b, err
		}
		if i == 0 || x.CPU < a.CPU {
			a = x
		}
		if i == 0 || y.CPU < b.CPU {
			b = y
		}
	}
	return a, b, nil
}

// smallTen changes ten files, then lets each tool save the version.
func (b *bench) smallTen() error {
	p, err := b.smallProject()
	if err != nil {
		return err
	}
	tools := []string{"mlx"}
	for _, peer := range []string{"restic", "dvc"} {
		if program, err := b.peer(peer); err != nil {
			return err
		} else if program == "" {
			continue
		}
		if err := p.fresh(peer); err != nil {
			return err
		}
		if _, err := measure.Run(p.save(peer)); err != nil {
			return err
		}
		tools = append(tools, peer)
	}
	best := map[string]measure.Cost{}
	for i := range b.runs {
		if _, err := p.run("python3", filepath.Join(b.root, "bench", "gen_data.py"), "touch", p.data,
			"--scale", strconv.FormatFloat(b.scale, 'g', -1, 64), "--seed", strconv.Itoa(100+i)); err != nil {
			return err
		}
		for _, tool := range tools {
			cost, err := measure.Run(p.save(tool))
			if err != nil {
				return err
			}
			if i == 0 || cost.CPU < best[tool].CPU {
				best[tool] = cost
			}
		}
	}
	b.report.Add(measure.Line{Measure: "small: ten files changed, CPU", Value: best["mlx"].CPU, Unit: "s", Bar: 0.35})
	for _, tool := range tools[1:] {
		b.report.Add(measure.Line{Measure: "small: ten files changed, CPU", Value: best["mlx"].CPU, Unit: "s",
			Peer: tool, Theirs: best[tool].CPU})
	}
	return nil
}

func (b *bench) smallCheckout() error {
	p, err := b.smallProject()
	if err != nil {
		return err
	}
	if _, err := measure.Run(p.save("mlx")); err != nil { // whatever an earlier row changed
		return err
	}
	data, copied := filepath.Join(p.root, p.data), p.path("copy")
	var best, theirs measure.Cost
	for i := range b.runs {
		if err := os.RemoveAll(copied); err != nil {
			return err
		}
		cp, err := p.run("cp", "-r", data, copied)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(data); err != nil {
			return err
		}
		out, err := p.run(b.mlx, "checkout", "-q", p.data)
		if err != nil {
			return err
		}
		if _, err := p.run("diff", "-rq", copied, data); err != nil {
			return err
		}
		if i == 0 || out.CPU < best.CPU {
			best = out
		}
		if i == 0 || cp.CPU < theirs.CPU {
			theirs = cp
		}
	}
	b.report.Add(measure.Line{Measure: "small: checkout into an empty folder, CPU", Value: best.CPU, Unit: "s", Peer: "cp -r", Theirs: theirs.CPU})
	b.report.Add(measure.Line{Measure: "small: checkout, times cp -r", Value: best.CPU / theirs.CPU, Unit: "x", Bar: 1.25})
	return nil
}

func mib(c measure.Cost) float64 { return float64(c.PeakBytes) / measure.MiB }
