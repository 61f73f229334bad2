package main

import (
	"context"
	"fmt"
	"math"
	"path"
	"reflect"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// runsDiff is how two runs differ, for the screen: more than what the JSON says.
type runsDiff struct {
	diffView
	data   []dataPair
	around surroundings
	heads  [2]string // what stands over the columns; empty: the digest
}

// diffRuns compares two runs.
func (a *app) diffRuns(ctx context.Context, left, right target, o diffOptions) error {
	x, err := a.runOf(ctx, left)
	if err != nil {
		return err
	}
	y, err := a.runOf(ctx, right)
	if err != nil {
		return err
	}
	d := runsDiff{diffView: newDiffView(versionOrSelf(left), versionOrSelf(right)), heads: [2]string{headOf(left), headOf(right)}}
	if len(o.paths) == 0 {
		d.Model = versionChanges(left.Version, right.Version)
	}
	if d.data, err = a.diffRunData(ctx, &d.diffView, x, y, o.paths); err != nil {
		return err
	}
	if d.Code, err = a.codeChanges(ctx, x, y, o); err != nil {
		return err
	}
	if len(o.paths) == 0 { // else only files are asked about
		d.Params = valueChanges(x.Params, y.Params)
		d.Metrics = metricChanges(x.Metrics, y.Metrics)
		d.Outputs = valueChanges(outputDigests(x), outputDigests(y))
		if d.around, err = a.compareSurroundings(ctx, x, y); err != nil {
			return err
		}
		d.Environment = append(d.Environment, d.around.all()...)
	}
	d.Equal = len(d.Model)+len(d.Params)+len(d.Metrics)+len(d.Environment)+len(d.Outputs)+len(d.Data)+len(d.data) == 0 && d.Code == nil
	return a.finishDiff(d.diffView, d.Equal, o, diffForms{
		text:  func(t *cli.Text) { d.text(t, len(o.paths) > 0) },
		sheet: d.sheet,
	})
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
	if d.text != "" || person {
		return append(versions, cli.Str(d.words()))
	}
	n := d.tally
	return append(versions, cli.Count(n.added), cli.Count(n.changed), cli.Count(n.removed), cli.Change(n.bytes))
}

func (d dataPair) words() string {
	if d.text != "" {
		return d.text
	}
	return d.tally.words()
}

// diffRunData compares what two runs read. A version that is not on this machine differs without saying how.
func (a *app) diffRunData(ctx context.Context, v *diffView, x, y run.View, paths []string) ([]dataPair, error) {
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
		if p.a == p.b || !touched(p.path, paths) {
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
		if err := a.comparePair(ctx, v, p, paths); err != nil {
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
			c.Change, c.Share = &d, relative(float64(x), float64(d))
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

// relative is a change as a share of what it is a change of; nil where that says nothing.
func relative(from, change float64) *run.Number {
	if from == 0 {
		return nil
	}
	share := run.Number(difference(0, change/math.Abs(from)))
	return &share
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

// text tells how two runs differ, as two columns and the change, and in the end what is the same. Of files alone only
// those are told.
func (d runsDiff) text(t *cli.Text, filesOnly bool) {
	c := newComparison(t, d.A.ID, d.B.ID)
	for i, head := range d.heads {
		if head != "" {
			c.head[i+1] = cli.Str(head)
		}
	}
	c.versionRows(d.Model)
	for _, p := range d.Params {
		c.add("params", p.Key, cellOrNone(p.A), cellOrNone(p.B))
	}
	for _, m := range d.Metrics {
		c.add("metrics", m.Key, m.cells(t.TTY())...)
	}
	for _, p := range d.data {
		c.add("data", shortName(p.path, d.data), p.cells(t.TTY())...)
	}
	c.codeRows(d.Code)
	c.surroundingRows(d.around)
	// Other inputs make other outputs; which bytes is news only when nothing else explains it.
	if len(c.rows) == 0 {
		for _, o := range d.Outputs {
			c.add("outputs", o.Key, digestCell(o.A), digestCell(o.B))
		}
	}
	c.write()
	if t.TTY() && !filesOnly {
		c.writeSame(d.compared())
	}
	if d.Code != nil && d.Code.Patch != nil {
		t.Lines(*d.Code.Patch)
	}
}

// compared are the sections that both runs say something about.
func (d runsDiff) compared() []string {
	all := []string{"params", "metrics", "data", "code"}
	if d.heads[0] != "" && d.heads[1] != "" {
		all = append([]string{"model"}, all...)
	}
	if d.around.known {
		all = append(all, "environment")
		if d.around.listed {
			all = append(all, "packages")
		}
	}
	return append(all, "machine")
}

// cells are the values of a metric and its change.
func (m metricChange) cells(person bool) []cli.Cell {
	cells := []cli.Cell{numberCell(m.A), numberCell(m.B)}
	if m.Change == nil {
		return cells
	}
	change := cli.Delta(float64(*m.Change))
	if share := m.percent(); person && share != "" {
		change = cli.Fmt("%s (%s)", change, cli.Str(share))
	}
	return append(cells, change)
}

// percent is the change of a metric as a share, where that is easier to grasp than the change itself.
func (m metricChange) percent() string {
	if m.Share == nil || math.Abs(float64(*m.Share)) >= 10 {
		return ""
	}
	return fmt.Sprintf("%+.1f %%", 100*float64(*m.Share))
}

// sheet is the comparison as a table for a file.
func (d runsDiff) sheet() sheet {
	s := sheet{head: []string{"section", "key", short12(d.A.ID), short12(d.B.ID), "change"}}
	for i, head := range d.heads {
		if head != "" {
			s.head[i+2] = head
		}
	}
	add := func(section, key string, cells ...cli.Cell) {
		row := []cli.Cell{cli.Str(section), cli.Str(key), cli.Str(""), cli.Str(""), cli.Str("")}
		copy(row[2:], cells)
		s.rows = append(s.rows, row)
	}
	for _, p := range d.Model {
		add("model", p.Key, versionCell(p.Key, p.A), versionCell(p.Key, p.B))
	}
	for _, p := range d.Params {
		add("params", p.Key, cellOrNone(p.A), cellOrNone(p.B))
	}
	for _, m := range d.Metrics {
		add("metrics", m.Key, m.cells(false)...)
	}
	for _, p := range d.data {
		add("data", p.path, cli.Hex(p.a, 12), cli.Hex(p.b, 12), cli.Str(p.words()))
	}
	if d.Code != nil {
		add("code", "commit", commitCell(d.Code.A), commitCell(d.Code.B))
		for _, f := range d.Code.Changes {
			if f.Added != nil && f.Removed != nil {
				add("code", f.Path, cli.Str(""), cli.Str(""), cli.Str(fmt.Sprintf("+%d -%d", *f.Added, *f.Removed)))
			} else {
				add("code", f.Path, cli.Str(""), cli.Str(""), cli.Str("no text"))
			}
		}
	}
	for _, e := range d.around.all() {
		add("environment", e.Key, cellOrNone(e.A), cellOrNone(e.B))
	}
	for _, o := range d.Outputs {
		add("outputs", o.Key, digestCell(o.A), digestCell(o.B))
	}
	return s
}

func short12(id string) string { return id[:min(12, len(id))] }

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
	return paramCell(v)
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
