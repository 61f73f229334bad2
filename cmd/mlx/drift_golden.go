package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// goldenRows are the golden rows of one day that have a label.
type goldenRows struct {
	table    *openedTable
	features []string
	rows     []int64 // places in the table, ascending
	labels   []string
}

// goldenRows finds the rows of a day; none where there is no table of it, or no row with a label. Of several rows with one id the last counts:
// it corrects the others.
func (g *retiring) goldenRows(ctx context.Context, day drift.Day) (goldenRows, error) {
	t, err := g.goldenTable(ctx, day)
	if err != nil || t == nil {
		return goldenRows{}, err
	}
	found := goldenRows{table: t}
	schema := t.Schema()
	label, id := cmp.Or(g.monitor.Golden.Label, "label"), cmp.Or(g.monitor.Golden.ID, "id")
	if schema.Index(label) < 0 {
		return found, t.NoColumn(label)
	}
	if schema.Index(id) < 0 {
		if g.monitor.Golden.ID != "" {
			return found, t.NoColumn(id)
		}
		id = ""
	}
	columns := []string{label}
	if id != "" && id != label {
		columns = append(columns, id)
	}
	cut := ""
	if !drift.WholeDays(g.monitor.Golden.Table) {
		cut = g.monitor.Time
		if !slices.Contains(columns, cut) {
			columns = append(columns, cut)
		}
	}
	for _, name := range schema.Names() {
		if name != label && name != id {
			found.features = append(found.features, name)
		}
	}
	at := func(name string) int { return slices.Index(columns, name) }
	err = found.read(ctx, columns, g.pick(at(label), at(id), at(cut), day))
	return found, err
}

// pickRow is the label of a row, and the id by which a later row corrects it; ok is false of a row that does not count.
type pickRow func(b *dataset.Batch, i int) (label, id string, ok bool)

// pick says which rows count, by the places of their columns in a batch; -1: there is none.
func (g *retiring) pick(label, id, cut int, day drift.Day) pickRow {
	text := func(b *dataset.Batch, column, i int) string {
		if column < 0 || b.Columns[column].Type == dataset.Null || b.Columns[column].Missing.Has(i) {
			return ""
		}
		return string(b.Columns[column].AppendText(nil, i))
	}
	return func(b *dataset.Batch, i int) (string, string, bool) {
		if cut >= 0 && dayOfRow(&b.Columns[cut], i, g.zone) != day.String() {
			return "", "", false
		}
		said := text(b, label, i)
		return said, text(b, id, i), said != ""
	}
}

// dayOfRow is the day of a time in a zone; times without a zone are of that one.
func dayOfRow(c *dataset.Column, i int, zone *time.Location) string {
	v := c.Number(i)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return ""
	case c.Type == dataset.Date:
		return time.Unix(int64(v)*86400, 0).UTC().Format(time.DateOnly)
	}
	at := time.Unix(int64(math.Floor(v)), 0).UTC()
	if !c.Naive {
		at = at.In(zone)
	}
	return at.Format(time.DateOnly)
}

func (r *goldenRows) read(ctx context.Context, columns []string, pick pickRow) error {
	if err := r.table.Settle(ctx); err != nil {
		return err
	}
	var ids []string
	at := map[string]int{} // the last row of each
	seen := int64(0)
	for b, err := range r.table.Batches(ctx, dataset.Request{Columns: columns}) {
		if err != nil {
			return err
		}
		for i := range b.Rows {
			label, id, ok := pick(b, i)
			if !ok {
				continue
			}
			if id == "" {
				id = "\x00" + strconv.Itoa(len(ids)) // of its own
			}
			ids, at[id] = append(ids, id), len(ids)
			r.rows, r.labels = append(r.rows, seen+int64(i)), append(r.labels, label)
			if len(r.rows) > gate.MaxAsked {
				return fault.New(fault.Usage, "%s has more than %d golden rows of one day", r.table.Ref.Name, gate.MaxAsked)
			}
		}
		seen += int64(b.Rows)
	}
	n := 0
	for i, id := range ids {
		if at[id] == i {
			r.rows[n], r.labels[n] = r.rows[i], r.labels[i]
			n++
		}
	}
	r.rows, r.labels = r.rows[:n], r.labels[:n]
	return nil
}

// goldenTable opens the table of a day; nil where there is none.
func (g *retiring) goldenTable(ctx context.Context, day drift.Day) (*openedTable, error) {
	where := g.monitor.Golden.Table
	if !drift.WholeDays(where) && g.monitor.Time == "" {
		return nil, fault.New(fault.Usage, "cannot tell the golden rows of a day: %s has no {date}, and the monitor no time", where).In(g.monitor.Golden.At).
			Hint("time: COLUMN   # of the monitor")
	}
	if err := g.app.mayContact(where); err != nil {
		return nil, err
	}
	where = drift.OnDay(where, day)
	opts, err := g.app.tableOptions(where, g.app.tableMeaning)
	if err != nil {
		return nil, err
	}
	opts.Temp = g.app.scratch()
	found, err := g.app.driftPart(ctx, where)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := found.open(ctx, opts, true)
	if err == nil {
		g.app.opened = append(g.app.opened, t)
	}
	return t, err
}

// ask asks a version for the rows of a day.
func (g *retiring) ask(ctx context.Context, v *registry.Version, rows goldenRows) (gate.Said, error) {
	laid, err := g.app.layOut(ctx, []*registry.Version{v})
	if err != nil {
		return gate.Said{}, err
	}
	defer laid.release()
	m := g.monitor.Golden.Model
	tool := func(ctx context.Context, c gate.Call) (run.Tool, error) {
		item := repo.TrustItem{Kind: repo.TrustCheck, Name: g.name, Value: c.Command}
		if err := g.app.mayDo(ctx, item, c.Command); err != nil {
			return run.Tool{}, err
		}
		r, err := g.app.repo()
		return run.Tool{Argv: shellCommand(c.Command), Dir: r.Root, Env: append(slices.Clone(g.app.environ), laid.env...)}, err
	}
	world := gate.World{
		Command: func(ctx context.Context, c gate.Call) (gate.Reply, error) {
			t, err := tool(ctx, c)
			if err != nil {
				return gate.Reply{}, err
			}
			return runCall(ctx, t, c)
		},
		Serve: func(ctx context.Context, c gate.Call) (*gate.Server, error) {
			t, err := tool(ctx, c)
			if err != nil {
				return nil, err
			}
			return g.app.serveTool(ctx, t, c)
		},
	}
	at := g.monitor.Golden.At
	at.File = repo.ConfigName
	asking := gate.Asking{Name: "golden of " + g.name, Model: *gateModel(m), World: world, At: at}
	return asking.Ask(ctx, rows.table.Table, rows.features, rows.rows)
}

// goldenInputs names everything that a value depends on.
func (g *retiring) goldenInputs(day drift.Day, v *registry.Version, rows goldenRows) (object.Digest, error) {
	golden := g.monitor.Golden
	golden.At, golden.Model.At = fault.Position{}, fault.Position{} // another line means nothing
	meaning, _ := g.app.tableMeaning(drift.OnDay(golden.Table, day))
	said, err := json.Marshal([]any{golden, meaning, g.monitor.Predictions.Positive, g.monitor.Predictions.Threshold})
	if err != nil {
		return object.Digest{}, err
	}
	return object.Sum(fmt.Appendf(nil, "%s %s %s %s %d %d %q %q", day, v.Digest, rows.table.Ref.ID, object.Sum(said), len(rows.rows),
		g.minRows(), g.zone, g.monitor.Time)), nil
}

// goldenSaid is what one or two versions said of golden rows.
type goldenSaid struct {
	labels []string
	days   []int // by which rows belong together; nil: each is on its own
	one    gate.Said
	other  *gate.Said
}

// worth is the measure of one version over some rows, and with other the difference of both.
func (g *retiring) worth(ctx context.Context, rows goldenSaid) (gate.Finding, error) {
	dir, err := g.app.tempFolder()
	if err != nil {
		return gate.Finding{}, err
	}
	open := func(name string, said gate.Said) (gate.World, error) {
		file := filepath.Join(dir, name+".csv")
		if err := writeGolden(file, rows, said); err != nil {
			return gate.World{}, err
		}
		t, err := g.app.openTable(ctx, file, dataset.Options{Temp: g.app.scratch()})
		if err != nil {
			return gate.World{}, err
		}
		g.app.opened = append(g.app.opened, t)
		return gate.World{Temp: g.app.scratch(), Now: g.now,
			Table:    func(context.Context, string) (gate.Table, error) { return gate.Table{Table: t.Table, Ref: t.Ref}, nil },
			Identify: func(context.Context, string) (gate.Ref, error) { return t.Ref, nil },
		}, nil
	}
	world, err := open("one", rows.one)
	if err != nil {
		return gate.Finding{}, err
	}
	rule := gate.Rule{Kind: "measure", Name: g.measure(), Min: &gate.Bound{Value: -math.MaxFloat64}}
	subject := gate.Subject{For: gate.Ref{Kind: "table", ID: object.Sum([]byte("one"))}, Table: "one", World: world}
	if rows.other != nil {
		rule.Margin = &gate.Bound{}
		against := gate.Subject{For: gate.Ref{Kind: "table", ID: object.Sum([]byte("other"))}, Table: "other"}
		if against.World, err = open("other", *rows.other); err != nil {
			return gate.Finding{}, err
		}
		subject.Against = &against
	}
	at := g.monitor.Golden.At
	at.File = repo.ConfigName
	spec := gate.Spec{Name: "golden of " + g.name, Predictions: "one", Positive: g.monitor.Predictions.Positive.Value, At: at, Rules: []gate.Rule{rule},
		Seed: int64(g.monitor.Seed)}
	if rows.days != nil {
		spec.Cluster = "day"
	}
	if limit := g.monitor.Predictions.Threshold; limit.Set {
		spec.Threshold = &limit.Value
	}
	job := gate.Job{Specs: []gate.Spec{spec}, Subject: func(context.Context, gate.Spec) (gate.Subject, error) { return subject, nil }}
	answer, troubles := job.Judge(ctx)
	if len(troubles) > 0 {
		return gate.Finding{}, errors.Join(troubles...)
	}
	return answer.Report.Gates[0].Checks[0], nil
}

// writeGolden writes predictions as a gate reads them.
func writeGolden(file string, golden goldenSaid, said gate.Said) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := csv.NewWriter(f)
	head := []string{"id", "label", "score"}
	if said.Class {
		head[2] = "class"
	}
	if golden.days != nil {
		head = append(head, "day")
	}
	rows := [][]string{head}
	for i, label := range golden.labels {
		row := []string{strconv.Itoa(i), label, said.Texts[i]}
		if golden.days != nil {
			row = append(row, strconv.Itoa(golden.days[i]))
		}
		rows = append(rows, row)
	}
	return w.WriteAll(rows)
}
