package main

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
)

// rowSample is how many differences of each kind the answer shows.
const rowSample = 20

// rowSide is one of the two tables whose rows are compared.
type rowSide struct {
	where   string
	saved   bool   // the last snapshot of a path, whatever lies there now
	at      string // path from the root of the project by which mlx.yaml may know the table
	shown   string
	meaning gate.Meaning
	table   *openedTable
}

func (s *rowSide) ref() fault.Ref { return refOf(s.table.Ref.Kind, s.table.Ref.ID.Hex(), s.shown) }

// rowsDiff is a comparison of rows on its way to the reader.
type rowsDiff struct {
	diffView
	found *dataset.RowDiff
	key   []string
	sides [2]*rowSide
}

// diffRows compares the rows of two tables.
func (a *app) diffRows(ctx context.Context, o diffOptions) (err error) {
	limits, err := parseRowLimits(o.tolerance)
	if err != nil {
		return err
	}
	if len(o.drawings()) > 0 {
		return fault.New(fault.Usage, "cannot draw rows: only runs have series").Hint("-o FILE.csv, .json, .md or .html")
	}
	sides, err := a.rowSides(ctx, o)
	if err != nil {
		return err
	}
	for _, s := range sides {
		if err := a.openSide(ctx, s); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.table.Close()) }()
	}
	d := rowsDiff{diffView: newDiffView(sides[0].ref(), sides[1].ref()), key: rowKeyOf(o.keys, sides), sides: sides}
	sheets, err := a.openRowSheets(o, d.key)
	if err != nil {
		return err
	}
	defer sheets.discard()
	options := dataset.RowOptions{Key: d.key, Sample: rowSample, Temp: a.scratch(), Private: rowPrivate(sides)}
	if len(limits) > 0 {
		options.Tolerance = func(column string) dataset.RowLimit { return limitOf(limits, column) }
	}
	if len(sheets.all) > 0 {
		options.Each = sheets.write
	}
	if d.found, err = dataset.DiffRows(ctx, sides[0].table.Table, sides[1].table.Table, options); err != nil {
		return err
	}
	for column := range limits {
		if column != "" && !slices.Contains(d.found.Compared, column) {
			return fault.New(fault.Usage, "cannot allow a tolerance in %q: its cells are not compared", column).
				Hint("the columns are %s", strings.Join(d.found.Compared, ", "))
		}
	}
	d.Rows = rowsViewOf(d.found, d.key)
	d.Equal = d.found.Equal()
	if err := sheets.finish(); err != nil {
		return err
	}
	return a.finishRows(ctx, &d, o, sheets.printed)
}

// finishRows writes the answer; what holds every difference is written already.
func (a *app) finishRows(ctx context.Context, d *rowsDiff, o diffOptions, printed bool) error {
	o.outs = slices.DeleteFunc(slices.Clone(o.outs), func(name string) bool { return sheetForm(name) == "csv" })
	forms := diffForms{text: d.text, sheet: d.sheet}
	if printed {
		if !d.Equal {
			a.answer(no)
		}
		return writeForms(d.diffView, o.outs, forms)
	}
	if err := a.finishDiff(d.diffView, d.Equal, o, forms); err != nil {
		return err
	}
	if len(d.key) == 0 && d.found.Added > 0 && d.found.Removed > 0 {
		a.hintKey(ctx, d, o)
	}
	return nil
}

// scratch is the folder for what does not fit into memory.
func (a *app) scratch() string {
	if r, err := a.repo(); err == nil {
		return r.Tmp()
	}
	return os.TempDir()
}

// rowSides finds out which tables are meant: A and B, each with the path behind -- if there is one; a single one is compared with what
// lies here, none with the last snapshot.
func (a *app) rowSides(ctx context.Context, o diffOptions) ([2]*rowSide, error) {
	var sides [2]*rowSide
	switch {
	case len(o.refs) > 2:
		return sides, fault.New(fault.Usage, "cannot compare the rows of more than two tables").Hint("mlx diff A B --rows")
	case len(o.paths) > 1:
		return sides, fault.New(fault.Usage, "cannot compare the rows of more than one table at a time").Hint("mlx diff A B --rows -- %s", shellWord(o.paths[0]))
	case len(o.refs)+len(o.paths) == 0:
		return sides, fault.New(fault.Usage, "cannot compare rows: no table is named").Hint("mlx diff A B --rows --key COLUMN")
	case len(o.paths) == 1:
		for i := range sides {
			side, err := a.rowSideAt(ctx, o, i)
			if err != nil {
				return sides, err
			}
			sides[i] = side
		}
		return sides, nil
	case len(o.refs) == 1:
		return a.rowsHere(ctx, o.refs[0])
	}
	for i := range sides {
		sides[i] = a.rowSideOf(o.refs[i])
	}
	return sides, nil
}

// rowSideOf is a table as typed.
func (a *app) rowSideOf(where string) *rowSide {
	s := &rowSide{where: where, shown: where, at: readRef(where).inner}
	if isTableURL(where) {
		s.shown, s.at = shownURL(where), where
		return s
	}
	if r, err := a.repo(); err == nil && s.at == "" {
		if rel, err := r.Rel(strings.TrimPrefix(where, refPath+":")); err == nil {
			s.at = rel
		}
	}
	return s
}

// rowSideAt is the path behind -- on one side: in the version of that side, in the last snapshot, or here.
func (a *app) rowSideAt(ctx context.Context, o diffOptions, i int) (*rowSide, error) {
	p := o.paths[0]
	if i >= len(o.refs) {
		shown := a.shown(p)
		return &rowSide{where: refPath + ":" + shown, shown: shown, at: p, saved: i == 0}, nil
	}
	t, err := a.resolve(ctx, o.refs[i])
	if err != nil {
		return nil, err
	}
	if t.Inner != "" {
		return nil, fault.New(fault.Usage, "cannot compare %s in %s: it names a path itself", p, o.refs[i]).Hint("mlx diff A B --rows -- %s", shellWord(p))
	}
	where := o.refs[i] + ":" + p
	if t.Kind == refSnapshot && within(p, t.Name) { // the snapshot of a path has it as its root
		where = strings.TrimSuffix(o.refs[i]+":"+strings.TrimPrefix(strings.TrimPrefix(p, t.Name), "/"), ":")
	}
	return &rowSide{where: where, shown: where, at: p}, nil
}

// rowsHere compares one table that was named with what lies at its path here.
func (a *app) rowsHere(ctx context.Context, where string) ([2]*rowSide, error) {
	left := a.rowSideOf(where)
	t, err := a.resolve(ctx, where)
	if err != nil {
		return [2]*rowSide{}, fault.New(fault.KindOf(err), "cannot compare the rows of %s: with what is not said: %w", where, err).Hint("mlx diff A B --rows")
	}
	here := t.Inner
	switch t.Kind {
	case refPath:
		left.saved, here = true, left.at
		left.where = refPath + ":" + strings.TrimPrefix(where, refPath+":") // the version, not what stands here
	case refSnapshot:
		here = path.Join(t.Name, t.Inner)
	}
	if here == "" {
		return [2]*rowSide{}, fault.New(fault.Usage, "cannot compare the rows of %s: which of its tables is not said", where).Hint("mlx diff %s --rows -- PATH", shellWord(where))
	}
	left.at = here
	shown := a.shown(here)
	return [2]*rowSide{left, {where: refPath + ":" + shown, shown: shown, at: here}}, nil
}

// openSide opens a table by what mlx.yaml says of its columns.
func (a *app) openSide(ctx context.Context, s *rowSide) error {
	s.meaning, _ = a.tableMeaning(s.at)
	opts, err := optionsOf(s.where, s.meaning)
	if err != nil {
		return err
	}
	opts.Temp = a.scratch()
	if !s.saved {
		s.table, err = a.openTable(ctx, s.where, opts)
		return err
	}
	files, err := a.versionTable(ctx, s.where)
	if err != nil {
		return err
	}
	readTable(files.files)
	s.shown += " (last snapshot)"
	s.table, err = files.open(ctx, opts, true)
	return err
}

// rowKeyOf is the key that was typed, or the one that mlx.yaml gives both tables.
func rowKeyOf(typed []string, sides [2]*rowSide) []string {
	var key []string
	for _, word := range typed {
		key = append(key, strings.TrimSpace(word))
	}
	if len(key) == 0 {
		key = sides[0].meaning.Key
		if len(key) == 0 || len(sides[1].meaning.Key) > 0 && !slices.Equal(key, sides[1].meaning.Key) {
			key = nil
		}
	}
	return key
}

// rowPrivate says which columns are private in either table.
func rowPrivate(sides [2]*rowSide) func(string) bool {
	return func(column string) bool {
		return sides[0].meaning.Columns[column].Private || sides[1].meaning.Columns[column].Private
	}
}

// parseRowLimits reads what --tolerance was given: LIMIT or COLUMN=LIMIT, a number or a share such as 0.1%.
func parseRowLimits(words []string) (map[string]dataset.RowLimit, error) {
	limits := make(map[string]dataset.RowLimit)
	for _, word := range words {
		column, text := "", word
		if i := strings.LastIndexByte(word, '='); i >= 0 {
			column, text = word[:i], word[i+1:]
		}
		number, share := strings.CutSuffix(text, "%")
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || !(v >= 0) || column == "" && text != word {
			return nil, fault.New(fault.Usage, "cannot read tolerance %q", word).Hint("--tolerance 1e-9, 0.1%% or COLUMN=0.01")
		}
		limit := limits[column]
		if share {
			limit.Share = v / 100
		} else {
			limit.Absolute = v
		}
		limits[column] = limit
	}
	return limits, nil
}

func limitOf(limits map[string]dataset.RowLimit, column string) dataset.RowLimit {
	if limit, ok := limits[column]; ok {
		return limit
	}
	return limits[""]
}
