package main

import (
	"context"
	"errors"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// driftData is one side of a comparison before it is opened.
type driftData struct {
	name  string      // as a person calls it
	table string      // as mlx.yaml calls it, for what is said of its columns
	found *tableFiles // nil: nothing of it is there
	ref   gate.Ref
	parts []gate.Ref // of a window the parts that are there
	gone  []string   // and those that are not
	rows  drift.Rows
	last  int64 // only so many rows at the end; 0: all

	opts    dataset.Options // by what is said of its columns
	meaning object.Digest   // of that
	private []string        // columns of which no value is shown
}

// means takes in what mlx.yaml says of the columns of the table.
func (d *driftData) means(a *app) error {
	m, ok := a.tableMeaning(d.table)
	if !ok {
		return nil
	}
	d.private = append(d.private, privateColumns(m)...)
	var err error
	if d.opts, err = optionsOf(d.table, m); err != nil {
		return err
	}
	text, err := object.Encode(m)
	d.meaning = object.Sum(text)
	return err
}

// driftPrivate says which columns are private: as mlx.yaml says of the tables of both sides, or a profile of itself.
func driftPrivate(named []string, sides ...drift.Source) func(column string) bool {
	private := make(map[string]bool)
	for _, name := range named {
		private[name] = true
	}
	for _, s := range sides {
		if s.Profile == nil {
			continue
		}
		for _, c := range s.Profile.Columns() {
			private[c.Name] = private[c.Name] || c.Private
		}
	}
	return func(column string) bool { return private[column] }
}

// close lets go of what was fetched to be read.
func (d *driftData) close(err *error) {
	if d.found != nil {
		*err = errors.Join(*err, d.found.closes.Close())
		d.found = nil
	}
}

// driftTable finds the table or profile that somebody typed.
func (a *app) driftTable(ctx context.Context, typed string) (driftData, error) {
	found, err := a.tableFiles(ctx, typed)
	if err != nil {
		return driftData{}, err
	}
	ref, err := found.ref(ctx)
	if err != nil {
		return driftData{}, found.close(err)
	}
	name := typed
	if typed == "-" {
		name = refStdin
	}
	d := driftData{name: name, table: a.fromRoot(typed), found: found, ref: ref, parts: []gate.Ref{ref}}
	if err := d.means(a); err != nil {
		return d, found.close(err)
	}
	return d, nil
}

// driftNamed finds the table or profile that a monitor names.
func (a *app) driftNamed(ctx context.Context, where string) (driftData, error) {
	if err := a.mayContact(where); err != nil {
		return driftData{}, err
	}
	d, err := a.driftTable(ctx, a.fromConfig(where))
	d.name, d.ref.Name = where, where
	return d, err
}

// driftDays finds the files of a monitor's table for some days. Days that are missing are told; a table of which all are missing is none.
func (a *app) driftDays(ctx context.Context, pattern string, days []drift.Day) (driftData, error) {
	d := driftData{name: pattern, table: pattern}
	if err := a.mayContact(pattern); err != nil {
		return d, err
	}
	var names []string
	all := &tableFiles{}
	for _, day := range days {
		where := drift.OnDay(pattern, day)
		if len(names) > 0 && names[len(names)-1] == where {
			continue // a pattern of months has one file for many days
		}
		part, err := a.driftPart(ctx, where)
		if fault.KindOf(err) == fault.NotFound {
			d.gone = append(d.gone, where)
			continue
		}
		if err != nil {
			return d, all.close(err)
		}
		ref, err := part.ref(ctx)
		all.files, all.closes = append(all.files, part.files...), append(all.closes, part.closes...)
		if err != nil {
			return d, all.close(err)
		}
		names, d.parts, d.table = append(names, where), append(d.parts, ref), where
	}
	if len(names) == 0 {
		return d, nil
	}
	d.found, d.ref = all, gate.Ref{Kind: d.parts[0].Kind, ID: d.parts[0].ID, Name: pattern}
	if len(names) > 1 {
		ids := make([]object.Digest, len(names))
		for i, p := range d.parts {
			ids[i] = p.ID
		}
		d.ref.Kind, d.ref.ID = refPath, listDigest(names, ids)
	}
	if err := d.means(a); err != nil {
		return d, all.close(err)
	}
	return d, nil
}

// driftPart finds the table of one day. Of a plain path that is not there nobody is asked what else it could mean, unless it lies in
// tracked data.
func (a *app) driftPart(ctx context.Context, where string) (*tableFiles, error) {
	if isTableURL(where) || readRef(where).inner != "" || isPattern(where) {
		return a.tableFiles(ctx, a.fromConfig(where))
	}
	here := a.shown(where)
	if there(here) {
		return a.localTable(ctx, where, here)
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	if pointerAbove(r, where) == "" {
		return nil, fault.New(fault.NotFound, "cannot read %s: there is no such file", where)
	}
	return a.tableFiles(ctx, refPath+":"+here)
}

// open opens a side for reading.
func (d *driftData) open(ctx context.Context, a *app) (drift.Source, error) {
	s := drift.Source{Name: d.name, Ref: d.ref, Rows: d.rows}
	profile, err := readProfile(ctx, d.name, d.found.files)
	if err != nil {
		return s, err
	}
	if profile != nil {
		s.Profile = profile
		return s, d.onlyTables()
	}
	d.opts.Temp = a.scratch()
	readColumns(d.found.files)
	if s.Table, err = dataset.Open(ctx, d.found.files, d.opts); err != nil {
		return s, err
	}
	if d.last > 0 {
		total, err := countRows(ctx, s.Table)
		if err != nil {
			return s, errors.Join(err, s.Table.Close())
		}
		s.Rows.Skip, s.Rows.Limit = max(0, total-d.last), d.last
	}
	return s, nil
}

// onlyTables refuses a profile where some of its rows are wanted: it has none.
func (d *driftData) onlyTables() error {
	if d.last == 0 && d.rows.Time == "" {
		return nil
	}
	return fault.New(fault.Usage, "cannot read some rows of %s: it is a profile, which has none", d.name).Hint("mlx show %s", shellWord(d.name))
}

// countRows reads a table once if that is what it takes.
func countRows(ctx context.Context, t *dataset.Table) (int64, error) {
	if n, ok := t.Rows(); ok {
		return n, nil
	}
	var total int64
	err := dataset.Fold(ctx, t, dataset.Request{Columns: t.Schema().Names()[:1]}, dataset.Folding[int64]{
		Start: func() { total = 0 },
		Part:  func(b *dataset.Batch) (int64, error) { return int64(b.Rows), nil },
		Merge: func(_ dataset.Span, n int64) error { total += n; return nil },
	})
	return total, err
}

// missingNote says which days are missing.
func (d *driftData) missingNote() string {
	const most = 3
	shown := d.gone[:min(most, len(d.gone))]
	more := ""
	if len(d.gone) > most {
		more = ", …"
	}
	return strings.Join(shown, ", ") + more
}
