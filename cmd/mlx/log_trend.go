package main

import (
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/drift"
)

// trend reports whether a log is that of monitors alone, as a row a window.
func (s *selection) trend() bool {
	o := s.options
	return s.about != nil && len(s.about.monitors) > 0 && len(o.columns) == 0 && !o.raw &&
		(len(o.kinds) == 0 || slices.Equal(o.kinds, []string{"drift"}))
}

// drawsTrend reports whether a curve stands above the rows: a person reads, and the rows are those of one monitor.
func (s *selection) drawsTrend() bool {
	return s.options.terminal && s.about != nil && len(s.about.monitors) == 1 && s.options.sort == "" && s.app.drawsUnicode()
}

// trendColumns are the columns of a log of monitors. For a person the rows come last: they are what a narrow terminal can do without.
func trendColumns(monitors []string, person bool) []column {
	of := func(head string, answer func(driftRow) cli.Cell, other func(*event) cli.Cell) column {
		return column{head: head, cell: func(e *event) cli.Cell {
			if r, ok := e.value.(driftRow); ok {
				return answer(r)
			}
			return other(e)
		}}
	}
	none := func(*event) cli.Cell { return cli.Str("") }
	all := []column{columnOf("when"), columnOf("id")}
	if len(monitors) > 1 {
		all = append(all, of("monitor", func(r driftRow) cli.Cell { return cli.Str(r.answer.Monitor) }, func(e *event) cli.Cell { return valueCell(e.look("monitor")) }))
	}
	all = append(all,
		of("answer", func(r driftRow) cli.Cell { return driftCell(r.Verdict, driftWord(r.Verdict)) }, func(e *event) cli.Cell { return cli.Str(doneWord(e)) }),
		of("window", func(r driftRow) cli.Cell { return windowCell(r.answer.Window) }, none))
	rows := of("rows", func(r driftRow) cli.Cell { return cli.Count(r.answer.Window.Rows) }, none)
	found := []column{of("drifted", func(r driftRow) cli.Cell { return shareCell(shareOf(r.answer)) }, none),
		of("worst", worstCell, func(e *event) cli.Cell {
			return cli.Fmt(strings.TrimSuffix(strings.Repeat("%s  ", len(e.what)), "  "), e.what...)
		})}
	if person {
		return append(append(all, found...), rows)
	}
	return append(append(all, rows), found...)
}

// doneWord is what a record that is no answer tells of.
func doneWord(e *event) string {
	if r, ok := e.value.(actedRow); ok {
		return strings.ReplaceAll(string(r.Action.State), "_", " ")
	}
	return e.noun
}

// shareCell is a share: in percent for a person, a number for a program.
func shareCell(share float64) cli.Cell {
	return cli.Said(shareWords(share), cli.Float(share).Machine())
}

// worstCell is the column that is farthest beyond its threshold, or nearest to it, and how far it is.
func worstCell(r driftRow) cli.Cell {
	c, ok := worstColumn(r.answer.Columns)
	if !ok {
		return cli.Str(r.answer.Why)
	}
	return cli.Fmt("%s %s", cli.Str(c.Name), cli.Str(columnEffect(c)))
}

func worstColumn(columns []drift.Column) (worst drift.Column, ok bool) {
	for _, c := range columns {
		if c.Value != nil && (!ok || beyond(c) > beyond(worst)) {
			worst, ok = c, true
		}
	}
	return worst, ok
}

// drawTrend draws above the rows what they show from left to right: the share of the columns that drifted, or the columns that were asked for.
func (s *selection) drawTrend(newest []event) error {
	names := s.options.columns
	if s.trend() {
		names = []string{""}
	}
	var lines [][]cli.Cell
	for _, name := range names {
		d := drawn{label: name}
		for i := range newest {
			e := &newest[len(newest)-1-i]
			r, ok := e.value.(driftRow)
			if !ok {
				continue
			}
			y, known := shareOf(r.answer), true
			if name != "" {
				y, known = e.look(name).(float64)
			}
			if known {
				d.x, d.y = append(d.x, float64(len(d.x))), append(d.y, y)
			}
		}
		if low, high, ok := d.bounds(); ok && len(d.x) > 1 {
			shown := cli.Fmt("%s to %s", cli.Float(low), cli.Float(high))
			if name == "" {
				name, shown = "drifted", cli.Fmt("%s to %s", cli.Str(shareWords(low)), cli.Str(shareWords(high)))
			}
			lines = append(lines, []cli.Cell{cli.Str(name), cli.Str(spark(d, sparkWidth)), shown})
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return s.app.streams.Row(nil, func(t *cli.Text) { t.Rows(0, lines) })
}
