package main

import (
	"context"
	"reflect"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// maxRunColumns is how many runs are compared as columns. More of them are rows: then the keys are columns.
const maxRunColumns = 4

// manyRuns is a comparison of more than two runs, for the screen.
type manyRuns struct {
	manyView
	names []string       // of the runs, where they have one
	best  map[string]int // by metric, which way is better: 1 up, -1 down
}

// diffManyRuns compares more than two runs: what differs between any of them.
func (a *app) diffManyRuns(ctx context.Context, found []target, o diffOptions) error {
	v := manyRuns{manyView: manyView{Kind: "diff/v1", Params: []valueRow{}, Metrics: []valueRow{}}, best: a.directions()}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	h := a.history(l)
	var params, metrics []map[string]any
	for _, t := range found {
		r, err := h.Of(t.Record)
		if err != nil || r.EndedAt == nil {
			r, err = a.runOf(ctx, t)
		}
		if err != nil {
			return err
		}
		v.Refs = append(v.Refs, t.ref())
		name := ""
		if r.Name != nil {
			name = *r.Name
		}
		v.names = append(v.names, name)
		numbers := make(map[string]any, len(r.Metrics))
		for k, n := range r.Metrics {
			numbers[k] = n
		}
		params, metrics = append(params, r.Params), append(metrics, numbers)
	}
	v.Params, v.Metrics = differing(params), differing(metrics)
	v.Equal = len(v.Params)+len(v.Metrics) == 0
	return a.finishDiff(v.manyView, v.Equal, o, diffForms{text: v.text, sheet: v.sheet})
}

// differing lists the keys whose values are not the same in all.
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
			same = same && sameValue(m[k], all[0][k])
		}
		if !same {
			rows = append(rows, r)
		}
	}
	return rows
}

func sameValue(a, b any) bool {
	if x, ok := a.(run.Number); ok && !x.Finite() {
		y, ok := b.(run.Number)
		return ok && !y.Finite()
	}
	return reflect.DeepEqual(a, b)
}

// directions are the metrics of which mlx.yaml says which way is better: a gate wants at least or at most so much.
func (a *app) directions() map[string]int {
	all := make(map[string]int)
	cfg, err := a.config()
	if err != nil {
		return all
	}
	for _, g := range cfg.Gates.All() {
		for _, c := range g.Checks {
			switch {
			case c.Metric != "" && c.Min.Set && !c.Max.Set:
				all[c.Metric] = 1
			case c.Metric != "" && c.Max.Set && !c.Min.Set:
				all[c.Metric] = -1
			}
		}
	}
	return all
}

// direction is which way a metric is better: as mlx.yaml says, else as its name does; 0 when nobody knows.
func direction(name string, said map[string]int) int {
	if way := said[name]; way != 0 {
		return way
	}
	last := strings.ToLower(name[strings.LastIndexAny(name, "./")+1:])
	for _, word := range strings.FieldsFunc(last, func(r rune) bool { return r == '_' || r == '-' || r == ' ' }) {
		switch word {
		case "loss", "error", "err", "rmse", "mse", "mae", "mape", "perplexity", "logloss", "brier", "wer", "cer", "latency":
			return -1
		case "auc", "accuracy", "acc", "f1", "precision", "recall", "r2", "score", "map", "ndcg", "bleu", "rouge", "iou", "dice":
			return 1
		}
	}
	return 0
}

// bestOf returns the positions of the best values of a metric, none when it is not known which way is better.
func (v manyRuns) bestOf(r valueRow) map[int]bool {
	way, at := direction(r.Key, v.best), map[int]bool{}
	var top float64
	for i, value := range r.Values {
		n, ok := value.(run.Number)
		if !ok || !n.Finite() || way == 0 {
			continue
		}
		x := float64(n) * float64(way)
		if len(at) == 0 || x > top {
			top, at = x, map[int]bool{}
		}
		if x == top {
			at[i] = true
		}
	}
	return at
}

// rowsOf are the differing keys with their cells, one a run. For a person the best value of a metric has a star.
func (v manyRuns) rowsOf(person bool, add func(section, key string, cells []cli.Cell)) (starred bool) {
	for _, section := range []struct {
		name string
		rows []valueRow
	}{{"params", v.Params}, {"metrics", v.Metrics}} {
		for _, r := range section.rows {
			best := map[int]bool{}
			if person && section.name == "metrics" {
				best = v.bestOf(r)
			}
			cells := make([]cli.Cell, len(r.Values))
			for i, value := range r.Values {
				cells[i] = cellOrNone(value)
				if n, ok := value.(run.Number); ok {
					cells[i] = cli.Float(float64(n))
				}
				if best[i] {
					starred = true
					cells[i] = cli.Word(cli.RoleBold, cli.Sentence(cells[i])+" *")
				}
			}
			add(section.name, r.Key, cells)
		}
	}
	return starred
}

func (v manyRuns) text(t *cli.Text) {
	starred := false
	switch {
	case v.Equal:
		if t.TTY() {
			t.Line(cli.Str("same: params, metrics"))
		}
		return
	case !t.TTY() || len(v.Refs) <= maxRunColumns:
		ids := make([]string, len(v.Refs))
		for i, r := range v.Refs {
			ids[i] = r.ID
		}
		c := newComparison(t, ids...)
		starred = v.rowsOf(t.TTY(), func(section, key string, cells []cli.Cell) { c.add(section, key, cells...) })
		if c.write(); t.TTY() {
			c.writeSame([]string{"params", "metrics"})
		}
	default:
		var s sheet
		s, starred = v.table(true)
		for i, h := range s.head {
			s.head[i] = strings.ToUpper(h)
		}
		t.Table(s.head, s.rows)
	}
	if starred {
		t.Heading(cli.Shown(cli.RoleDim, "* best"))
	}
}

// table has a row for each run and a column for each key that differs.
func (v manyRuns) table(person bool) (sheet, bool) {
	s := sheet{head: []string{"id"}}
	named := strings.Join(v.names, "") != ""
	if named {
		s.head = append(s.head, "name")
	}
	for i, r := range v.Refs {
		row := []cli.Cell{cli.Hex(r.ID, 12)}
		if named {
			row = append(row, cli.Str(v.names[i]))
		}
		s.rows = append(s.rows, row)
	}
	clash := make(map[string]bool)
	for _, p := range v.Params {
		clash[p.Key] = true
	}
	starred := v.rowsOf(person, func(section, key string, cells []cli.Cell) {
		if section == "metrics" && clash[key] {
			key = "metrics." + key
		}
		s.head = append(s.head, key)
		for i, c := range cells {
			s.rows[i] = append(s.rows[i], c)
		}
	})
	return s, starred
}

func (v manyRuns) sheet() sheet {
	s, _ := v.table(false)
	return s
}
