package main

import (
	"context"
	"fmt"
	"path"
	"reflect"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// diffRuns compares two runs.
func (a *app) diffRuns(ctx context.Context, left, right target) error {
	x, err := a.runOf(ctx, left)
	if err != nil {
		return err
	}
	y, err := a.runOf(ctx, right)
	if err != nil {
		return err
	}
	v := newDiffView(left.ref(), right.ref())
	v.Params = valueChanges(x.Params, y.Params)
	v.Metrics = metricChanges(x.Metrics, y.Metrics)
	v.Environment = environmentChanges(x, y)
	v.Outputs = valueChanges(outputDigests(x), outputDigests(y))
	v.Code = a.codeChanges(ctx, x, y)
	data, err := a.diffRunData(ctx, &v, x, y)
	if err != nil {
		return err
	}
	v.Equal = len(v.Params)+len(v.Metrics)+len(v.Environment)+len(v.Outputs)+len(v.Data)+len(data) == 0 && v.Code == nil
	return a.emitDiff(v, v.Equal, func(t *cli.Text) { runsText(v, data, t) })
}

// dataPair is a path whose version differs between two runs, and how.
type dataPair struct {
	path  string
	a, b  string // 64 hex digits, or empty
	tally tally
	text  string // in place of the tally
}

func (d dataPair) cells(person bool) []cli.Cell {
	versions := []cli.Cell{cli.Hex(d.a, 12), cli.Hex(d.b, 12)}
	switch {
	case d.text != "":
		return append(versions, cli.Str(d.text))
	case person:
		return append(versions, cli.Str(d.tally.words()))
	}
	n := d.tally
	return append(versions, cli.Count(n.added), cli.Count(n.changed), cli.Count(n.removed), cli.Change(n.bytes))
}

// diffRunData compares what two runs read. A version that is not on this machine differs without saying how.
func (a *app) diffRunData(ctx context.Context, v *diffView, x, y run.View) ([]dataPair, error) {
	left, err := versionsOfRun(x)
	if err != nil {
		return nil, err
	}
	right, err := versionsOfRun(y)
	if err != nil {
		return nil, err
	}
	var out []dataPair
	for _, p := range pairs(left, right, false) {
		if p.a == p.b {
			continue
		}
		row := dataPair{path: p.path}
		if !p.a.IsZero() {
			row.a = p.a.Hex()
		}
		if !p.b.IsZero() {
			row.b = p.b.Hex()
		}
		start := len(v.Data)
		if err := a.comparePair(ctx, v, p, nil); err != nil {
			a.streams.Why("%s: %v", p.path, err)
			row.text = "not on this machine"
		} else {
			row.tally = count(v.Data[start:])
		}
		out = append(out, row)
	}
	return out, nil
}

// valueChanges lists the keys whose values differ.
func valueChanges(a, b map[string]any) []valueChange {
	out := []valueChange{}
	for _, k := range bothKeys(a, b) {
		if !reflect.DeepEqual(a[k], b[k]) {
			out = append(out, valueChange{k, a[k], b[k]})
		}
	}
	return out
}

func metricChanges(a, b map[string]run.Number) []metricChange {
	out := []metricChange{}
	for _, k := range bothKeys(a, b) {
		x, inA := a[k]
		y, inB := b[k]
		if inA && inB && (x == y || !x.Finite() && !y.Finite() && fmt.Sprint(x) == fmt.Sprint(y)) {
			continue
		}
		c := metricChange{Key: k}
		if inA {
			c.A = &x
		}
		if inB {
			c.B = &y
		}
		if inA && inB && x.Finite() && y.Finite() {
			d := difference(float64(x), float64(y))
			c.Change = &d
		}
		out = append(out, c)
	}
	return out
}

// difference is b - a without the noise of binary fractions: 0.011, not 0.01100000000000001.
func difference(a, b float64) run.Number {
	d, err := strconv.ParseFloat(strconv.FormatFloat(b-a, 'g', 12, 64), 64)
	if err != nil {
		return run.Number(b - a)
	}
	return run.Number(d)
}

func bothKeys[T any](a, b map[string]T) []string {
	all := make(map[string]bool, len(a)+len(b))
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return sortedKeys(all)
}

func outputDigests(v run.View) map[string]any {
	all := make(map[string]any, len(v.Outputs))
	for _, o := range v.Outputs {
		all[o.Path] = o.Digest
	}
	return all
}

func environmentChanges(x, y run.View) []valueChange {
	describe := func(m run.ViewMachine) map[string]any {
		all := map[string]any{"host": m.Host, "os": m.OS, "arch": m.Arch, "cpu": m.CPU, "cpus": m.CPUs}
		if m.MemoryBytes != nil {
			all["memory_bytes"] = *m.MemoryBytes
		}
		return all
	}
	return valueChanges(describe(x.Machine), describe(y.Machine))
}

// codeChanges compares commits and uncommitted changes; nil when the code is the same. Commits that differ in pointer
// files only have the same code: pointers count as data.
func (a *app) codeChanges(ctx context.Context, x, y run.View) *codeChange {
	same := func(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
	c := &codeChange{A: withPatch(x), B: withPatch(y)}
	if !same(x.Commit, y.Commit) && x.Commit != nil && y.Commit != nil {
		if r, err := a.repo(); err == nil {
			if n, err := r.ChangedFiles(ctx, *x.Commit, *y.Commit); err == nil {
				c.Files = &n
			}
		}
	}
	sameCommit := same(x.Commit, y.Commit) || c.Files != nil && *c.Files == 0
	if sameCommit && same(x.Patch, y.Patch) {
		return nil
	}
	return c
}

func withPatch(v run.View) *string {
	if v.Commit == nil {
		return nil
	}
	commit := *v.Commit
	if v.Patch != nil {
		commit += "+" + (*v.Patch)[:12]
	}
	return &commit
}

// runsText tells how two runs differ, as two columns and the change.
func runsText(v diffView, data []dataPair, t *cli.Text) {
	c := newComparison(t, v.A.ID, v.B.ID)
	for _, p := range v.Params {
		c.add("params", p.Key, cellOrNone(p.A), cellOrNone(p.B))
	}
	for _, m := range v.Metrics {
		cells := []cli.Cell{numberCell(m.A), numberCell(m.B)}
		if m.Change != nil {
			cells = append(cells, cli.Delta(float64(*m.Change)))
		}
		c.add("metrics", m.Key, cells...)
	}
	for _, d := range data {
		c.add("data", shortName(d.path, data), d.cells(t.TTY())...)
	}
	if v.Code != nil {
		cells := []cli.Cell{commitCell(v.Code.A), commitCell(v.Code.B)}
		if v.Code.Files != nil {
			cells = append(cells, cli.Num(*v.Code.Files, "file"))
		}
		c.add("code", "commit", cells...)
	}
	for _, e := range v.Environment {
		c.add("machine", e.Key, cellOrNone(e.A), cellOrNone(e.B))
	}
	// Other inputs make other outputs; which bytes is news only when nothing else explains it.
	if len(c.rows) == 0 {
		for _, o := range v.Outputs {
			c.add("outputs", o.Key, digestCell(o.A), digestCell(o.B))
		}
	}
	c.write()
}

// shortName is the last part of a path, when no other path ends so.
func shortName(p string, all []dataPair) string {
	same := 0
	for _, d := range all {
		if path.Base(d.path) == path.Base(p) {
			same++
		}
	}
	if same > 1 {
		return p
	}
	return path.Base(p)
}

func cellOrNone(v any) cli.Cell {
	if v == nil {
		return cli.None()
	}
	return valueCell(v)
}

func numberCell(n *run.Number) cli.Cell {
	if n == nil {
		return cli.None()
	}
	return cli.Float(float64(*n))
}

func commitCell(c *string) cli.Cell {
	if c == nil {
		return cli.None()
	}
	commit, patch, dirty := strings.Cut(*c, "+")
	if dirty {
		return cli.Fmt("%s+%s", cli.Hex(commit, 7), cli.Hex(patch, 4))
	}
	return cli.Hex(commit, 7)
}

func digestCell(v any) cli.Cell {
	s, ok := v.(string)
	if !ok {
		return cli.None()
	}
	return cli.Hex(s, 12)
}
