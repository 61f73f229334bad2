package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"mlx/bench/internal/measure"
)

// oneFile is the file of 1 MB among the small ones.
const oneFile = "one.bin"

// smallProject is a project with the small files and one of 1 MB, saved; made on first use.
func (b *bench) smallProject() (*project, error) {
	if b.small != nil {
		return b.small, nil
	}
	source, err := b.cache.Folder("small", b.scale, "small")
	if err != nil {
		return nil, err
	}
	p, err := b.newProject("small")
	if err != nil {
		return nil, err
	}
	if _, err := p.run("cp", "-r", source, p.data); err != nil {
		return nil, err
	}
	noise := make([]byte, megabyte)
	for i, r := 0, rand.New(rand.NewPCG(1, 1)); i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	if err := os.WriteFile(filepath.Join(p.root, p.data, oneFile), noise, 0o644); err != nil {
		return nil, err
	}
	if err := p.save(); err != nil {
		return nil, err
	}
	b.small = p
	return p, measure.Warm(p.root)
}

func (b *bench) smallPush() error {
	p, err := b.smallProject()
	if err != nil {
		return err
	}
	var first, again measure.Cost
	var place string
	for i := range b.runs {
		name := "folder" + strconv.Itoa(i)
		place = filepath.Join(b.work, name)
		if err := p.remote(name, place); err != nil {
			return err
		}
		c, err := p.run(b.mlx, "push", "-q")
		if err != nil {
			return err
		}
		lower(&first, c)
		if c, err = p.run(b.mlx, "push", "-q"); err != nil {
			return err
		}
		lower(&again, c)
	}
	size, err := measure.SizeOf(place)
	if err != nil {
		return err
	}
	theirs, theirsAgain, err := p.dvc()
	if err != nil {
		return err
	}
	peer := ""
	if theirs.Wall > 0 {
		peer = "dvc push"
	}
	b.report.Add(measure.Line{Measure: "small: push to a folder, CPU", Value: first.CPU, Unit: "s", Bar: 2, Peer: peer, Theirs: theirs.CPU})
	b.report.Add(measure.Line{Measure: "small: push to a folder, wall", Value: first.Wall, Unit: "s", Peer: peer, Theirs: theirs.Wall})
	b.report.Add(measure.Line{Measure: "small: push to a folder, peak memory", Value: mib(first), Unit: "MiB", Peer: peer, Theirs: mib(theirs)})
	b.report.Add(measure.Line{Measure: "small: push again, CPU", Value: again.CPU, Unit: "s", Bar: 0.1, Peer: peer, Theirs: theirsAgain.CPU})
	b.report.Add(measure.Line{Measure: "small: objects at the remote", Value: float64(size.Files), Unit: "files", Bar: 100})
	return nil
}

// dvc pushes the same files with dvc, if it is a peer, and then again.
func (p *project) dvc() (first, again measure.Cost, err error) {
	if !slices.Contains(p.b.peers, "dvc") {
		return first, again, nil
	}
	python, err := p.b.output(filepath.Join(p.b.root, ".ci", "python"), filepath.Join(p.b.root, "bench", "requirements.txt"))
	if err != nil {
		return first, again, err
	}
	dvc := filepath.Join(filepath.Dir(python), "dvc")
	q := &project{b: p.b, root: p.root + "-dvc", data: "data"}
	if err := os.MkdirAll(q.root, 0o755); err != nil {
		return first, again, err
	}
	err = q.all([]string{"git", "init", "-q", "."}, []string{"cp", "-r", filepath.Join(p.root, p.data), q.data}, []string{dvc, "init", "-q"},
		[]string{dvc, "add", "-q", q.data}, []string{dvc, "remote", "add", "-q", "-d", "folder", q.root + "-remote"})
	if err == nil {
		first, err = q.run(dvc, "push", "-q")
	}
	if err == nil {
		again, err = q.run(dvc, "push", "-q")
	}
	return first, again, err
}

func (b *bench) smallPull() error {
	p, err := b.smallProject()
	if err != nil {
		return err
	}
	if err := p.remote("pull", filepath.Join(b.work, "pull")); err != nil {
		return err
	}
	if err := p.all([]string{b.mlx, "push", "-q"}); err != nil {
		return err
	}
	copied := p.root + "-copied"
	var ours, theirs measure.Cost
	for range b.runs {
		if err := os.RemoveAll(copied); err != nil {
			return err
		}
		cp, err := p.run("cp", "-r", p.data, copied)
		if err != nil {
			return err
		}
		lower(&theirs, cp)
		c, err := p.clone("pull")
		if err != nil {
			return err
		}
		pulled, err := c.run(b.mlx, "pull", "-q")
		if err != nil {
			return err
		}
		lower(&ours, pulled)
		if _, err := p.run("diff", "-rq", copied, filepath.Join(c.root, c.data)); err != nil {
			return err
		}
	}
	b.report.Add(measure.Line{Measure: "pull: into a clone, CPU", Value: ours.CPU, Unit: "s", Peer: "cp -r", Theirs: theirs.CPU})
	b.report.Add(measure.Line{Measure: "pull: into a clone, wall", Value: ours.Wall, Unit: "s", Peer: "cp -r", Theirs: theirs.Wall})
	b.report.Add(measure.Line{Measure: "pull: into a clone, CPU, times cp -r", Value: ours.CPU / theirs.CPU, Unit: "x", Bar: 1.25})
	b.report.Add(measure.Line{Measure: "pull: into a clone, peak memory", Value: mib(ours), Unit: "MiB"})
	return nil
}

func (b *bench) get() error {
	p, err := b.smallProject()
	if err != nil {
		return err
	}
	if err := b.start(); err != nil {
		return err
	}
	if err := p.remote("s3", b.server.place("get")); err != nil {
		return err
	}
	if err := p.all([]string{b.mlx, "push", "-q"}); err != nil {
		return err
	}
	var best measure.Cost
	var t traffic
	for range max(b.runs, 3) {
		c, err := p.clone("get")
		if err != nil {
			return err
		}
		var cost measure.Cost
		if cost, t, err = c.watched("get", c.data+"/"+oneFile, "-o", "got"); err != nil {
			return err
		}
		lower(&best, cost)
		if _, err := c.run("cmp", "got", filepath.Join(p.root, p.data, oneFile)); err != nil {
			return err
		}
	}
	b.report.Add(measure.Line{Measure: "get: 1 MB out of 100,000 files, requests", Value: float64(t.requests), Unit: "requests", Bar: 10})
	b.report.Add(measure.Line{Measure: "get: received", Value: float64(t.received) / megabyte, Unit: "MB"})
	b.report.Add(measure.Line{Measure: "get: wall", Value: best.Wall, Unit: "s", Bar: 0.3})
	b.report.Add(measure.Line{Measure: "get: CPU", Value: best.CPU, Unit: "s"})
	return nil
}
