package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/workload"
)

// csv measures what travels when 1 % of a table has changed.
func (b *bench) csv() error {
	source, err := b.cache.Folder("csv", b.scale, "csv", "csv2")
	if err != nil {
		return err
	}
	p, err := b.newProject("csv")
	if err != nil {
		return err
	}
	if err := p.remote("folder", filepath.Join(b.work, "csv-remote")); err != nil {
		return err
	}
	for i, version := range []string{"table.csv", "table2.csv"} {
		file := filepath.Join(p.root, p.data, "table.csv")
		if err := workload.Place(filepath.Join(source, version), file); err != nil {
			return err
		}
		if err := measure.Warm(file); err != nil {
			return err
		}
		if err := p.save(); err != nil {
			return err
		}
		var out bytes.Buffer
		c := p.command(b.mlx, "push", "--json")
		c.Out = &out
		cost, err := measure.Run(c)
		if err != nil {
			return err
		}
		var v struct {
			Sent int64 `json:"bytes_sent"`
		}
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			return err
		}
		what, bar := "csv: first version", 0.0
		if i > 0 {
			what, bar = "csv: 1 % of the rows changed", 12
		}
		b.report.Add(measure.Line{Measure: what + ", sent", Value: float64(v.Sent) / megabyte, Unit: "MB", Bar: bar})
		b.report.Add(measure.Line{Measure: what + ", push, CPU", Value: cost.CPU, Unit: "s"})
		b.report.Add(measure.Line{Measure: what + ", push, peak memory", Value: mib(cost), Unit: "MiB"})
	}
	return nil
}

// big measures throughput beside the fastest that the same server takes and gives.
func (b *bench) big() error {
	source, err := b.cache.Folder("big", b.scale, "big")
	if err != nil {
		return err
	}
	if err := b.start(); err != nil {
		return err
	}
	p, err := b.newProject("big")
	if err != nil {
		return err
	}
	file := filepath.Join(p.root, p.data, "big.bin")
	if err := workload.Place(filepath.Join(source, "big.bin"), file); err != nil {
		return err
	}
	if err := p.save(); err != nil {
		return err
	}
	size, err := measure.SizeOf(file)
	if err != nil {
		return err
	}
	var t streams
	for i := range b.runs {
		if err := t.once(p, i); err != nil {
			return err
		}
	}
	rate := func(c measure.Cost) float64 { return float64(size.Bytes) / measure.MiB / c.Wall }
	for _, d := range []struct {
		what, peer   string
		ours, theirs measure.Cost
		judged       bool
	}{
		{"push", "one PUT", t.push, t.put, true},
		{"pull", "one GET", t.pull, t.get, true},
		{"pull --no-checkout", "one GET", t.fetch, t.get, false},
	} {
		share := measure.Line{Measure: "big: " + d.what + ", share of the stream's rate", Value: 100 * rate(d.ours) / rate(d.theirs), Unit: "%", AtLeast: true}
		memory := measure.Line{Measure: "big: " + d.what + ", peak memory", Value: mib(d.ours), Unit: "MiB", Peer: d.peer, Theirs: mib(d.theirs)}
		if d.judged {
			share.Bar, memory.Bar = 70, 256
		}
		b.report.Add(measure.Line{Measure: "big: " + d.what, Value: rate(d.ours), Unit: "MiB/s", Peer: d.peer, Theirs: rate(d.theirs)})
		b.report.Add(share)
		b.report.Add(measure.Line{Measure: "big: " + d.what + ", CPU", Value: d.ours.CPU, Unit: "s", Peer: d.peer, Theirs: d.theirs.CPU})
		b.report.Add(memory)
	}
	return nil
}

// streams are the lowest costs of the ways to move one large file.
type streams struct{ push, pull, fetch, put, get measure.Cost }

// once moves the file each way, and leaves nothing of it but one object more at the server.
func (t *streams) once(p *project, i int) error {
	b := p.b
	self, err := os.Executable()
	if err != nil {
		return err
	}
	url, back := fmt.Sprintf("%s/%s/stream", b.server.endpoint, b.server.name), filepath.Join(b.work, "stream")
	name := fmt.Sprint("s3-", i)
	if err := p.remote(name, b.server.place(name)); err != nil {
		return err
	}
	file := filepath.Join(p.root, p.data, "big.bin")
	if err := measure.Warm(p.root); err != nil {
		return err
	}
	for _, step := range []struct {
		into *measure.Cost
		args []string
	}{
		{&t.put, []string{self, "child-put", b.server.key, url, file}},
		{&t.push, []string{b.mlx, "push", "-q"}},
		{&t.get, []string{self, "child-get", b.server.key, url, back}},
	} {
		c, err := p.run(step.args...)
		if err != nil {
			return err
		}
		lower(step.into, c)
	}
	if err := os.Remove(back); err != nil {
		return err
	}
	for _, way := range []struct {
		into *measure.Cost
		args []string
	}{{&t.fetch, []string{"pull", "-q", "--no-checkout"}}, {&t.pull, []string{"pull", "-q"}}} {
		c, err := p.clone("pull")
		if err != nil {
			return err
		}
		cost, err := c.run(append([]string{b.mlx}, way.args...)...)
		if err != nil {
			return err
		}
		lower(way.into, cost)
		if way.into == &t.pull {
			if _, err := c.run("cmp", file, filepath.Join(c.root, c.data, "big.bin")); err != nil {
				return err
			}
		}
		if err := os.RemoveAll(c.root); err != nil {
			return err
		}
	}
	return nil
}
