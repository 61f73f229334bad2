package main

import (
	"cmp"
	"maps"
	"slices"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// maxLeftOutShown is how many of the files that a run does not keep are shown to a person.
const maxLeftOutShown = 5

// showFiles tells which files beside the commit a run kept, and which it did not.
func (a *app) showFiles(v run.View, t *cli.Text) {
	if v.Files != nil {
		t.KeyValue(2, "files", cli.Fmt("%s %s", cli.Str(cli.FormatNum(int64(v.Untracked), "untracked file")), cli.Hex(*v.Files, 12)))
	}
	shown := v.LeftOut
	if t.TTY() {
		shown = shown[:min(len(shown), maxLeftOutShown)]
	}
	for _, l := range shown {
		cells := []cli.Cell{cli.Fmt("%s (%s)", cli.Path(a.shown(l.Path)), cli.Str(l.Why))}
		if l.Bytes > 0 {
			cells = append(cells, cli.Bytes(l.Bytes))
		}
		t.KeyValue(2, "left out", cells...)
	}
	if rest := int64(max(v.LeftOutN, len(v.LeftOut)) - len(shown)); rest > 0 {
		t.KeyValue(2, "left out", cli.Shown(cli.RoleDim, "and "+cli.FormatCount(rest)+" more"))
	}
}

// showEnvironment tells what surrounded the command of a run, apart from the machine.
func showEnvironment(e *run.Environment, t *cli.Text) {
	if e == nil {
		return
	}
	if p := e.Python; p != nil {
		version := cli.Str(cmp.Or(p.Version, "unknown version"))
		if p.Manager != "" {
			version = cli.Fmt("%s (%s)", version, cli.Str(p.Manager))
		}
		t.KeyValue(2, "python", cli.Fmt("%s, %s, lock %s", version, cli.Str(cli.FormatNum(int64(p.Packages), "package")), cli.Hex(p.Lock.Hex(), 12)))
		for _, edited := range p.Editable {
			t.KeyValue(2, "editable", cli.Str(edited))
		}
		for _, index := range p.Indexes {
			t.KeyValue(2, "index", cli.Str(index))
		}
	}
	for _, l := range e.Locks {
		t.KeyValue(2, "lock", cli.Fmt("%s %s", cli.Path(l.Path), cli.Hex(l.Digest.Hex(), 12)))
	}
	var seeds, variables []cli.Cell
	for _, name := range slices.Sorted(maps.Keys(e.Seeds)) {
		seeds = append(seeds, cli.Fmt("%s %s", cli.Str(name), cli.Str(e.Seeds[name])))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Variables)) {
		if _, seed := e.Seeds[name]; !seed {
			variables = append(variables, cli.Fmt("%s=%s", cli.Str(name), cli.Str(e.Variables[name])))
		}
	}
	keyValues(t, "seeds", seeds)
	if !t.TTY() { // a person who asks for them has --json
		keyValues(t, "variables", variables)
	}
	if c := e.Container; c != nil {
		cells := []cli.Cell{cli.Str(c.Runtime)}
		if c.Image != "" {
			cells = append(cells, cli.Str(c.Image))
		}
		if c.ID != "" {
			cells = append(cells, cli.Hex(c.ID, 12))
		}
		t.KeyValue(2, "container", cells...)
	}
}

// gpuCell says which accelerators a machine has.
func gpuCell(gpus []run.GPU) cli.Cell {
	if len(gpus) == 0 {
		return cli.Str("no GPU")
	}
	words, cells := "%s", []cli.Cell{cli.Str(run.GPUWords(gpus))}
	if driver := gpus[0].Driver; driver != "" {
		words, cells = words+" (driver %s", append(cells, cli.Str(driver))
		if cuda := gpus[0].CUDA; cuda != "" {
			words, cells = words+", CUDA %s", append(cells, cli.Str(cuda))
		}
		words += ")"
	}
	return cli.Fmt(words, cells...)
}
