package main

import (
	"fmt"
	"slices"
	"strings"

	"mlx/internal/cli"
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

// write prints the sections.
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
}

// writeSame says in one line which of the sections that were compared have no rows.
func (c *comparison) writeSame(compared []string) {
	same := slices.DeleteFunc(compared, func(s string) bool { return slices.Contains(c.sections, s) })
	if len(same) > 0 {
		c.t.Line(cli.Str("same: " + strings.Join(same, ", ")))
	}
}
