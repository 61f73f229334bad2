package drift

import (
	"cmp"
	"slices"
)

// Categories that are counted by cluster; the rarest are one bin together.
const (
	leastClustered = 50
	mostClustered  = 1000    // if not more than
	clusteredCells = 1 << 20 // counts of a side are needed
)

// byRow measures what depends on which rows belong together.
func (p *pairing) byRow(m *Measured) error {
	if p.columns[0].rows == nil || p.columns[1].rows == nil || m.Why != "" {
		return nil
	}
	if a, b := p.sides[0].clusters, p.sides[1].clusters; a != nil && b != nil {
		of := p.rowBins(m, min(max(clusteredCells/int(max(a.groups, b.groups, 1)), leastClustered), mostClustered))
		m.Clustered = &Clustered{}
		for i, counts := range []*[][]uint32{&m.Clustered.Reference, &m.Clustered.Current} {
			c := p.sides[i].clusters
			all := countsByGroup(int(c.groups), of.none+1)
			err := p.eachRow(i, c, func(r rowAt) { all[r.group][of.bin(i, r)]++ })
			if err != nil {
				return err
			}
			*counts = all
		}
	}
	if p.spec.Learn == nil {
		return nil
	}
	return p.learn(m, p.rowBins(m, len(p.all)))
}

func countsByGroup(groups, bins int) [][]uint32 {
	all := make([]uint32, groups*bins)
	counts := make([][]uint32, groups)
	for i := range counts {
		counts[i], all = all[:bins:bins], all[bins:]
	}
	return counts
}

// rowBins says in which bin a row is.
type rowBins struct {
	none  int                     // the bin of rows without a value, after all others
	value [2]func(key uint64) int // of numbers, by side
	code  [2][]int                // of categories, by side and code
}

func (b *rowBins) bin(side int, r rowAt) int {
	switch {
	case b.value[side] != nil:
		if r.class != rowValue {
			return b.none
		}
		return b.value[side](r.key)
	case r.class == 0 || int(r.class) > len(b.code[side]):
		return b.none
	}
	return b.code[side][r.class-1]
}

// rowBins is how rows are counted: by the bins of numbers, by the most frequent categories and all others.
func (p *pairing) rowBins(m *Measured, most int) rowBins {
	if m.Kind == Numbers {
		of := rowBins{none: len(p.cuts.edges) + 1}
		for side := range of.value {
			of.value[side] = func(key uint64) int { return p.cuts.bin(p.number(side, key)) }
		}
		return of
	}
	of := rowBins{none: max(min(len(p.all), most+1), 1)}
	place := make(map[string]int, len(p.all))
	for i, c := range byTotal(p.all) {
		place[c.word] = min(i, of.none-1)
	}
	for side := range of.code {
		words := p.wordsOf(side)
		of.code[side] = make([]int, len(words.names))
		for code, word := range words.names {
			of.code[side][code] = place[word]
		}
	}
	return of
}

// byTotal orders categories by how often they stand on both sides together. Which have a bin of their own must not depend on which side is
// which: what is frequent on one side alone would be chosen for it, and no exchange of clusters would show the same.
func byTotal(all []category) []category {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b category) int {
		return cmp.Or(cmp.Compare(b.n[0]+b.n[1], a.n[0]+a.n[1]), cmp.Compare(a.word, b.word))
	})
	return all
}

// number is the value of a key of a side.
func (p *pairing) number(side int, key uint64) float64 {
	if convert := p.convert[side]; convert != nil {
		key = convert(key)
	}
	return p.axis.value(key)
}

// rowAt is a row of a column: its group, and its value.
type rowAt struct {
	row   int64
	group uint32
	class uint32 // of numbers; of categories 0 without a value, else the code + 1
	key   uint64 // of numbers that have a value
}

// eachRow visits the rows of one side in order. Without clusters all are of group 0.
func (p *pairing) eachRow(side int, c *clusters, visit func(rowAt)) error {
	col := p.columns[side]
	rows := puller[uint32]{s: col.rows}
	keys := puller[uint64]{s: col.keys}
	var groups puller[uint32]
	if c != nil {
		groups.s = c.rows
	}
	for row := range col.rows.n {
		r := rowAt{row: row, class: rows.next()}
		if c != nil {
			r.group = c.group(groups.next())
		}
		if col.keys != nil && r.class == rowValue {
			r.key = keys.next()
		}
		if err := firstError(rows.err, keys.err, groups.err); err != nil {
			return err
		}
		visit(r)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
