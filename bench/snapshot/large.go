package main

import (
	"path/filepath"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/workload"
)

// large is one big file in two versions, with the bars of the issue that asked for them.
type large struct {
	name, one, two         string // files of the workload
	cpu, memory            float64
	stored, growth, verify float64 // MB, MB, CPU seconds per GiB
}

func (b *bench) csv() error {
	return b.large(large{name: "csv", one: "table.csv", two: "table2.csv", cpu: 7, stored: 335, growth: 8, verify: 2}, "csv", "csv2")
}

func (b *bench) big() error {
	return b.large(large{name: "big", one: "big.bin", two: "big2.bin", cpu: 9, memory: 128, growth: 12, verify: 1.2}, "big", "big2")
}

func (b *bench) large(l large, programs ...string) error {
	source, err := b.workload(l.name, b.scale, programs...)
	if err != nil {
		return err
	}
	p, err := b.newProject(l.name, filepath.Join("data", l.name))
	if err != nil {
		return err
	}
	one, err := p.put(filepath.Join(source, l.one))
	if err != nil {
		return err
	}
	first, err := p.first(1, "mlx", "restic")
	if err != nil {
		return err
	}
	before, err := p.sizes()
	if err != nil {
		return err
	}
	two, err := p.put(filepath.Join(source, l.two))
	if err != nil {
		return err
	}
	second := map[string]measure.Cost{}
	for tool := range first {
		if second[tool], err = measure.Run(p.save(tool)); err != nil {
			return err
		}
	}
	after, err := p.sizes()
	if err != nil {
		return err
	}
	add := func(measured string, unit string, bar float64, value func(tool string) float64) {
		line := measure.Line{Measure: l.name + ": " + measured, Unit: unit, Bar: bar, Value: value("mlx")}
		if _, ok := first["restic"]; ok {
			line.Peer, line.Theirs = "restic", value("restic")
		}
		b.report.Add(line)
	}
	add("first snapshot, CPU", "s", l.cpu, func(t string) float64 { return first[t].CPU })
	add("first snapshot, peak memory", "MiB", l.memory, func(t string) float64 { return mib(first[t]) })
	add("stored", "MB", l.stored, func(t string) float64 { return before[t] })
	add("second version, CPU", "s", 0, func(t string) float64 { return second[t].CPU })
	add("growth by the second version", "MB", l.growth, func(t string) float64 { return after[t] - before[t] })
	return p.verified(l, float64(one+two), add)
}

// verified reads both versions back. The cost is per GiB of content: what the two versions hold, as far as they differ
// in chunks. Of a table with scattered edits nearly every chunk differs, of the other file only the growth does.
func (p *project) verified(l large, content float64, add func(string, string, float64, func(string) float64)) error {
	if l.name == "big" {
		content /= 2
	}
	costs := map[string]measure.Cost{}
	var err error
	if costs["mlx"], err = p.run(p.b.mlx, "verify", "-q"); err != nil {
		return err
	}
	if p.restic != "" {
		if costs["restic"], err = p.run(p.restic, "check", "-q", "--read-data"); err != nil {
			return err
		}
	}
	add("verify, CPU per GiB", "s", l.verify, func(t string) float64 { return costs[t].CPU / (content / measure.GiB) })
	return nil
}

// put makes a file the data of the project and reads it once. It returns its size.
func (p *project) put(source string) (int64, error) {
	path := filepath.Join(p.root, p.data, "data")
	if err := workload.Place(source, path); err != nil {
		return 0, err
	}
	if err := measure.Warm(path); err != nil {
		return 0, err
	}
	size, err := measure.SizeOf(path)
	return size.Bytes, err
}

// sizes is what each tool stores, in MB.
func (p *project) sizes() (map[string]float64, error) {
	ours, err := p.store()
	if err != nil {
		return nil, err
	}
	theirs, err := measure.SizeOf(p.path("restic"))
	return map[string]float64{"mlx": float64(ours.Bytes) / megabyte, "restic": float64(theirs.Bytes) / megabyte}, err
}
