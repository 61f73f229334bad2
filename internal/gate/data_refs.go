package gate

import (
	"context"
	"slices"

	"mlx/internal/dataset"
)

// joinJudge looks the keys of the rows up among those of another table: rows without a partner are bad, or rows with one.
type joinJudge struct {
	rows     *rowJudge
	columns  []int
	other    Table
	theirs   []string // columns of the other table
	store    *keyStore
	missing  bool   // missing values are values of a key
	shared   bool   // a row is bad when the other table has its key as well
	distinct *int64 // counts the different keys that both tables have
}

// otherRow marks an entry of the other table.
const otherRow = 1 << 63

// planReferences holds that another table has every value. Columns beside the subject belong to the key, under the same names there.
func planReferences(ctx context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	table, column := c.rule.referenced()
	ours, theirs := append([]string{c.Name}, c.rule.Columns...), append([]string{column}, c.rule.Columns...)
	j, err := f.join(ctx, c.rule, joinOf{title: c.title, table: table, ours: ours, theirs: theirs})
	if err != nil {
		return nil, err
	}
	j.rows.is, j.rows.needs = "not in "+c.rule.References, "in "+c.rule.References
	return j, nil
}

// joinOf says what is joined with what.
type joinOf struct {
	title        string
	table        string
	ours, theirs []string
}

func (f *dataFrame) join(ctx context.Context, r Rule, of joinOf) (*joinJudge, error) {
	j := &joinJudge{theirs: of.theirs}
	for _, name := range of.ours {
		at, err := f.column(r, name)
		if err != nil {
			return nil, err
		}
		j.columns = append(j.columns, at)
	}
	var err error
	if j.other, err = f.settled(ctx, of.table); err != nil {
		return nil, err
	}
	schema := j.other.Schema()
	theirs := make([]dataset.Field, len(of.theirs))
	for i, name := range of.theirs {
		at := schema.Index(name)
		if at < 0 {
			return nil, f.session.noColumn(r, of.table, schema, name)
		}
		theirs[i] = schema[at]
	}
	if j.rows, err = f.newRowJudge(r, of.title, j.columns); err != nil {
		return nil, err
	}
	j.store = newKeyStore(newDataKey(f.fields(j.columns), theirs), f.world.Temp)
	return j, nil
}

func (j *joinJudge) part(b *dataBatch) (any, error) {
	return keysOf(b, j.store.dataKey, j.columns, j.rows.filter, j.missing), nil
}

func (j *joinJudge) merge(at dataset.Span, part any) error {
	p := part.(keyPart)
	j.rows.judged += int64(p.n)
	return p.each(at.Seen, j.store.words(), j.store.put)
}

// finish reads the keys of the other table and looks ours up.
func (j *joinJudge) finish(ctx context.Context) ([]Finding, error) {
	defer j.store.spill.close()
	all := make([]int, len(j.theirs))
	for i := range all {
		all[i] = i
	}
	err := dataset.Fold(ctx, j.other.Table, dataset.Request{Columns: j.theirs}, dataset.Folding[keyPart]{
		Part: func(batch *dataset.Batch) (keyPart, error) {
			return keysOf(&dataBatch{Batch: batch}, j.store.dataKey, all, -1, j.missing), nil
		},
		Merge: func(_ dataset.Span, p keyPart) error {
			return p.each(0, j.store.words(), func(key []uint64, _ uint64) error { return j.store.put(key, otherRow) })
		},
	})
	if err != nil {
		return nil, err
	}
	var bad firstRows
	if err := j.look(&bad); err != nil {
		return nil, err
	}
	if err := j.rows.found(ctx, bad); err != nil {
		return nil, err
	}
	return j.rows.finish(ctx)
}

// look goes through the keys twice, list by list: the other table's first, since ours were kept before them.
func (j *joinJudge) look(bad *firstRows) error {
	var table keyTable
	for list := range j.store.spill.lists {
		table.reset(j.store.size(list))
		err := j.store.list(list, func(key [2]uint64, word uint64) {
			if word == otherRow {
				table.find(key).count = 1
			}
		})
		if err != nil {
			return err
		}
		err = j.store.list(list, func(key [2]uint64, word uint64) {
			if word == otherRow {
				return
			}
			seen, in := table.has(key)
			if in && seen.first == 0 && j.distinct != nil {
				seen.first = 1
				*j.distinct++
			}
			if in == j.shared {
				bad.add(word)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// has finds a key without putting it in.
func (t *keyTable) has(key [2]uint64) (*keySeen, bool) {
	mask := uint64(len(t.cells) - 1)
	for i := (key[0] ^ key[1]>>7) & mask; ; i = (i + 1) & mask {
		c := &t.cells[i]
		if !c.used {
			return nil, false
		}
		if c.key == key {
			return c, true
		}
	}
}

// duplicates counts rows that another row repeats: whole, or in some columns.
func planDuplicates(_ context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	names, needs := r.Columns, "no row twice"
	if len(names) == 0 {
		names = f.schema.Names()
	} else {
		needs += " in " + list(names)
	}
	var columns []int
	for _, name := range names {
		at, err := f.column(r, name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(columns, at) {
			columns = append(columns, at)
		}
	}
	j, err := f.unique(r, r.Called(), columns, needs)
	if err != nil {
		return nil, err
	}
	j.missing, j.store.narrow = true, false // an integer has no word for what is missing
	j.rows.is, j.rows.columns = "repeated", columns
	return []dataJudge{&duplicatesJudge{uniqueJudge: j}}, nil
}

// duplicatesJudge holds how many rows repeat an earlier one, or which share of them.
type duplicatesJudge struct {
	*uniqueJudge
}

func (j *duplicatesJudge) finish(ctx context.Context) ([]Finding, error) {
	defer j.store.spill.close()
	var bad firstRows
	err := j.store.each(func(seen *keySeen, row uint64) {
		if seen.count++; seen.count > 1 { // the first of them is no repetition
			bad.add(row)
		}
	}, nil)
	if err != nil {
		return nil, err
	}
	if err := j.rows.found(ctx, bad); err != nil {
		return nil, err
	}
	return []Finding{j.rows.limited(float64(bad.count))}, nil
}

// limited is the finding of a number of bad rows, or of their share when the limit is one.
func (j *rowJudge) limited(count float64) Finding {
	r := j.rule
	f := j.finding()
	if f.Verdict == Inconclusive {
		return f
	}
	value := count
	share := r.Max != nil && r.Max.Unit == "share" || r.Min != nil && r.Min.Unit == "share"
	if share {
		value = count / float64(j.judged)
	}
	judged := r.judged(value)
	f.Value, f.Limit = judged.Value, judged.Limit
	if r.Min != nil || r.Max != nil {
		f.Verdict, f.Needs = judged.Verdict, r.needs()
	}
	if share {
		f.Shown += " (" + dataShare(value, r.Max.orZero(), r.Min.orZero()) + ")"
	}
	return f
}

func (b *Bound) orZero() float64 {
	if b == nil {
		return 0
	}
	return b.Value
}
