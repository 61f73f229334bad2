package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// comparison is a table of sections whose columns are what is compared.
type comparison struct {
	t        *cli.Text
	head     []cli.Cell
	rows     [][]cli.Cell
	sections []string // of each row
}

func newComparison(t *cli.Text, ids ...string) *comparison {
	c := &comparison{t: t, head: []cli.Cell{cli.Str("")}}
	for _, id := range ids {
		c.head = append(c.head, cli.Hex(id, 12))
	}
	return c
}

func (c *comparison) add(section, key string, cells ...cli.Cell) {
	c.sections = append(c.sections, section)
	c.rows = append(c.rows, append([]cli.Cell{cli.Str(key)}, cells...))
}

// minKey keeps the columns of short comparisons apart.
const minKey = 10

// write prints the sections, and in one line those that are the same.
func (c *comparison) write() {
	if !c.t.TTY() {
		for i, row := range c.rows {
			c.t.Line(append([]cli.Cell{cli.Str(c.sections[i])}, row...)...)
		}
		return
	}
	grid := [][]cli.Cell{c.head}
	last := ""
	for i, row := range c.rows {
		if c.sections[i] != last {
			last = c.sections[i]
			grid = append(grid, []cli.Cell{cli.Str(last)})
		}
		row[0] = cli.Fmt("  %s", cli.Fmt(fmt.Sprintf("%%-%ds", minKey), row[0]))
		grid = append(grid, row)
	}
	if len(c.rows) > 0 {
		c.t.Rows(0, grid)
	}
	var same []string
	for _, s := range []string{"params", "metrics", "data", "code", "machine"} {
		if !slices.Contains(c.sections, s) {
			same = append(same, s)
		}
	}
	if len(same) > 0 {
		c.t.Line(cli.Str("same: " + strings.Join(same, ", ")))
	}
}

// diffManyRuns compares more than two runs.
func (a *app) diffManyRuns(ctx context.Context, found []target) error {
	v := manyView{Kind: "diff/v1", Params: []valueRow{}, Metrics: []valueRow{}}
	var params, metrics []map[string]any
	for _, t := range found {
		r, err := a.runOf(ctx, t)
		if err != nil {
			return err
		}
		v.Refs = append(v.Refs, t.ref())
		numbers := make(map[string]any, len(r.Metrics))
		for k, n := range r.Metrics {
			numbers[k] = n
		}
		params, metrics = append(params, r.Params), append(metrics, numbers)
	}
	v.Params, v.Metrics = differing(params), differing(metrics)
	v.Equal = len(v.Params)+len(v.Metrics) == 0
	return a.emitDiff(v, v.Equal, func(t *cli.Text) { manyText(v, t) })
}

func differing(all []map[string]any) []valueRow {
	rows := []valueRow{}
	keys := make(map[string]bool)
	for _, m := range all {
		for k := range m {
			keys[k] = true
		}
	}
	for _, k := range sortedKeys(keys) {
		r := valueRow{Key: k}
		same := true
		for _, m := range all {
			r.Values = append(r.Values, m[k])
			same = same && reflect.DeepEqual(m[k], all[0][k])
		}
		if !same {
			rows = append(rows, r)
		}
	}
	return rows
}

func manyText(v manyView, t *cli.Text) {
	ids := make([]string, len(v.Refs))
	for i, r := range v.Refs {
		ids[i] = r.ID
	}
	c := newComparison(t, ids...)
	for _, section := range []struct {
		name string
		rows []valueRow
	}{{"params", v.Params}, {"metrics", v.Metrics}} {
		for _, r := range section.rows {
			cells := make([]cli.Cell, len(r.Values))
			for i, value := range r.Values {
				cells[i] = cellOrNone(value)
				if n, ok := value.(run.Number); ok {
					cells[i] = cli.Float(float64(n))
				}
			}
			c.add(section.name, r.Key, cells...)
		}
	}
	c.write()
}
