package drift

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// duplicateParts is how many parts the rows are cut into, by their hash, so that few of them have to be in memory at once.
const duplicateParts = 64

// duplicates counts the rows of either side that stood there before, where that is asked for: rows of which all columns are the same, or
// those of the key.
func (c *comparison) duplicates(ctx context.Context) error {
	if c.spec.Duplicates == nil {
		return nil
	}
	for i, s := range c.sides {
		n, err := s.duplicates(ctx)
		if err != nil {
			return err
		}
		c.out.Duplicates[i] = n
	}
	return nil
}

// hashed is what is left of a batch: the hashes of its rows, two words each.
type hashed struct{ words []uint64 }

func (s *side) duplicates(ctx context.Context) (int64, error) {
	t := s.source.Table
	columns := s.spec.Key
	if len(columns) == 0 {
		columns = t.Schema().Names()
	}
	for _, name := range columns {
		if t.Schema().Index(name) < 0 {
			return 0, t.NoColumn(name)
		}
	}
	request := columns
	if at := s.source.Rows.Time; at != "" && !slices.Contains(columns, at) {
		request = append(slices.Clone(columns), at)
	}
	s.store.reset()
	var parts []*stream[uint64]
	var hashes *dataset.RowHashes
	var filter *rowFilter
	var wrong error
	seen := int64(0)
	err := dataset.Fold(ctx, t, dataset.Request{Columns: request}, dataset.Folding[hashed]{
		Start: func() {
			s.store.reset()
			parts, seen = nil, 0
			for range duplicateParts {
				parts = append(parts, newStream[uint64](s.store))
			}
			fields := make(dataset.Schema, len(columns))
			for i, name := range columns {
				fields[i] = t.Schema()[t.Schema().Index(name)]
			}
			hashes = dataset.NewRowHashes(fields)
			filter, wrong = s.source.rowFilter(request)
		},
		Part: func(b *dataset.Batch) (hashed, error) { return hashRows(hashes, filter, b), wrong },
		Merge: func(_ dataset.Span, h hashed) error {
			from, to := s.source.Rows.cut(seen, int64(len(h.words)/2))
			seen += int64(len(h.words) / 2)
			for k := from; k < to; k++ {
				if err := parts[h.words[2*k]%duplicateParts].add(h.words[2*k : 2*k+2]); err != nil {
					return err
				}
			}
			return s.enough(seen)
		},
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	return repeated(parts)
}

// hashRows hashes the rows of a batch that count.
func hashRows(hashes *dataset.RowHashes, filter *rowFilter, b *dataset.Batch) hashed {
	if filter == nil {
		return hashed{}
	}
	words := hashes.Append(make([]uint64, 0, 2*b.Rows), b)
	rows := filter.choose(b, &partScratch{})
	if rows.list == nil {
		return hashed{words}
	}
	for k, i := range rows.list {
		words[2*k], words[2*k+1] = words[2*i], words[2*i+1]
	}
	return hashed{words[:2*len(rows.list)]}
}

// repeated counts the pairs of words that are there once more.
func repeated(parts []*stream[uint64]) (int64, error) {
	var n int64
	var r reader[uint64]
	var pairs [][2]uint64
	for _, part := range parts {
		pairs = pairs[:0]
		var half []uint64 // of a pair that a block of the file cuts
		err := r.each(part, func(words []uint64) error {
			if len(half) > 0 {
				pairs = append(pairs, [2]uint64{half[0], words[0]})
				half, words = nil, words[1:]
			}
			for ; len(words) > 1; words = words[2:] {
				pairs = append(pairs, [2]uint64{words[0], words[1]})
			}
			half = slices.Clone(words)
			return nil
		})
		if err != nil {
			return 0, err
		}
		slices.SortFunc(pairs, func(a, b [2]uint64) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
		n += int64(len(pairs) - len(slices.Compact(pairs)))
	}
	return n, nil
}

// rowFilter is the filter of a source for batches of these columns.
func (s Source) rowFilter(request []string) (*rowFilter, error) {
	name := s.Rows.Time
	if name == "" {
		return &rowFilter{at: -1}, nil
	}
	f, err := timeField(s.Table, name)
	if err != nil {
		return nil, err
	}
	return newRowFilter(s.Rows, f, slices.Index(request, name)), nil
}

// cut says which of n more rows count, of those that the time leaves, after so many were seen.
func (r Rows) cut(seen, n int64) (from, to int64) {
	to = n
	if r.Skip > 0 {
		from = min(max(r.Skip-seen, 0), to)
	}
	if r.Limit > 0 {
		to = min(max(r.Skip+r.Limit-seen, from), to)
	}
	return from, to
}

// enough is an error once no more rows are needed.
func (s *side) enough(seen int64) error {
	if limit := s.source.Rows.Limit; limit > 0 && seen >= s.source.Rows.Skip+limit {
		return errEnough
	}
	return nil
}

// check refuses what cannot be meant.
func (r Rows) check() error {
	if r.Skip < 0 || r.Limit < 0 || r.Skip > 1<<62 || r.Limit > 1<<62 {
		return fault.New(fault.Usage, "cannot take rows after %d and %d of them", r.Skip, r.Limit)
	}
	return nil
}
