package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// maxChildrenShown is how many children a person is shown: the newest.
const maxChildrenShown = 20

// family is the runs that were started inside a run.
type family struct {
	refs   []fault.Ref // the one started first first
	states map[run.State]int
	newest []run.View // for a person, newest first
}

// childrenOf asks the index for the runs started in a run; only those that a person is shown are read.
func (a *app) childrenOf(ctx context.Context, parent run.View) (family, error) {
	f := family{refs: []fault.Ref{}, states: make(map[run.State]int)}
	l, err := a.ledger()
	if err != nil {
		return f, err
	}
	h := a.history(l)
	q := lineage.Query{Nouns: []string{"run"}, Where: "parent == " + strconv.Quote(parent.ID), Sort: "started_at"}
	if n, err := l.Count(ctx, q); err != nil || n == 0 {
		return f, err
	}
	unfinished, err := h.Unfinished(ctx)
	if err != nil {
		return f, err
	}
	table, err := l.Values(ctx, q, "run", "name", "state")
	if err != nil {
		return f, err
	}
	for row, err := range table.Rows {
		if err != nil {
			return f, err
		}
		id := row.ID
		if of, ok := row.Values[0].(string); ok {
			if id, err = object.ParseDigest(of); err != nil {
				return f, err
			}
		}
		name, _ := row.Values[1].(string)
		state, _ := row.Values[2].(string)
		f.states[cmp.Or(unfinished[id], run.State(state))]++
		f.refs = append(f.refs, refOf(refRun, id.Hex(), name))
	}
	if !a.streams.OutTTY || a.streams.JSON {
		return f, nil
	}
	q.Sort, q.Limit = "-started_at", maxChildrenShown
	for v, err := range h.Views(ctx, q) {
		if err != nil {
			return f, err
		}
		f.newest = append(f.newest, v)
	}
	return f, nil
}

// words count the children by what became of them: "10 succeeded, 2 failed".
func (f family) words() string {
	var parts []string
	for _, s := range []run.State{run.Running, run.Succeeded, run.Failed, run.Killed, run.Cancelled, run.Lost} {
		if n := f.states[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", cli.FormatCount(int64(n)), s))
		}
	}
	return strings.Join(parts, ", ")
}

// text lists children: for a program each, for a person those started last, with what tells them apart.
func (f family) text(t *cli.Text) {
	if len(f.refs) == 0 {
		return
	}
	if !t.TTY() {
		for _, r := range f.refs {
			t.KeyValue(2, "child", cli.Str(r.ID), cli.Str(r.Name))
		}
		return
	}
	t.KeyValue(2, "children", cli.Fmt("%s: %s", cli.Num(int64(len(f.refs)), "run"), cli.Str(f.words())))
	events := make([]event, len(f.newest))
	for i, v := range f.newest {
		events[i] = event{rec: lineage.Record{At: v.At, By: v.By}, id: v.RunID, value: v}
	}
	columns := slices.DeleteFunc(runColumns(events), func(c column) bool { return c.head == "when" || c.head == "command" })
	head, rows := make([]cli.Cell, len(columns)), make([][]cli.Cell, 0, len(events)+1)
	for i, c := range columns {
		head[i] = cli.Shown(cli.RoleDim, strings.ToUpper(c.head))
	}
	rows = append(rows, head)
	for i := range events {
		cells := make([]cli.Cell, len(columns))
		for k, c := range columns {
			cells[k] = c.cell(&events[i])
		}
		rows = append(rows, cells)
	}
	t.Rows(4, rows)
	if rest := len(f.refs) - len(f.newest); rest > 0 {
		t.Indented(4, cli.Shown(cli.RoleDim, "and "+cli.FormatNum(int64(rest), "older run")))
	}
}

// placeText tells where a run belongs: its experiment, stage, attempt, the run it was started in, the run it repeats.
func placeText(v run.View, t *cli.Text) {
	if v.Experiment != nil {
		t.KeyValue(2, "experiment", cli.Str(*v.Experiment))
	}
	if v.Stage != nil {
		cells := []cli.Cell{cli.Str(v.Stage.Name)}
		if v.Stage.Sample {
			cells = append(cells, cli.Str("on samples"))
		}
		t.KeyValue(2, "stage", cells...)
	}
	if v.Attempt > 1 {
		t.KeyValue(2, "attempt", cli.Count(int64(v.Attempt)))
	}
	if v.Parent != nil {
		t.KeyValue(2, "parent", cli.Fmt("run %s", cli.Hex(*v.Parent, 12)))
	}
	if v.RerunOf != nil {
		t.KeyValue(2, "repeats", cli.Fmt("run %s", cli.Hex(*v.RerunOf, 12)))
	}
}

// outputText tells how much the command printed, and how to read it.
func outputText(v run.View, t *cli.Text) {
	if v.Log == nil {
		return
	}
	size := cli.Bytes(v.Log.Bytes)
	if v.Log.Cut > 0 {
		size = cli.Fmt("%s, %s in the middle not kept", size, cli.Bytes(v.Log.Cut))
	}
	cells := []cli.Cell{size}
	if t.TTY() && v.Log.Bytes > 0 {
		cells = append(cells, cli.Shown(cli.RoleDim, "mlx job logs "+v.RunID.Short()))
	}
	t.KeyValue(2, "output", cells...)
}

// tagsText tells what was said of the run, with the notes.
func tagsText(said []tagBody, t *cli.Text) {
	var bare []string
	for _, b := range said {
		if b.Note == "" {
			bare = append(bare, b.shown())
		}
	}
	if len(bare) > 0 {
		t.KeyValue(2, "tags", cli.Str(strings.Join(bare, " ")))
	}
	for _, b := range said {
		if b.Note != "" {
			t.KeyValue(2, "tags", cli.Str(b.shown()), cli.Quoted(b.Note))
		}
	}
}
