package drift

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"mlx/internal/dataset"
)

// maxCells is how many values are drawn of both sides together: 64 MiB. With many columns fewer rows are drawn.
const maxCells = 8 << 20

// drawer draws rows of one side: each row that counts with the same chance, in one pass and in memory that does not depend on the table.
type drawer struct {
	columns  []string
	category []bool
	cluster  string // column; empty: none
	time     string // column whose days are clusters, where cluster is empty
	zone     *time.Location
	most     int

	keys clusterKeys
	r    *rand.Rand
	next int64   // number of the row that is drawn next, once the first ones are
	w    float64 // Li's algorithm L
	text []byte
	out  drawing
}

// draw draws of a source, whose types are settled. The same seed draws the same rows, whatever the format of the table.
func (d *drawer) draw(ctx context.Context, s Source, seed uint64) (*drawing, error) {
	d.r, d.w = rand.New(rand.NewPCG(seed, 0xd7a3)), 1
	names := append([]string(nil), d.columns...)
	filter := &rowFilter{at: -1}
	if name := s.Rows.Time; name != "" {
		f, err := timeField(s.Table, name)
		if err != nil {
			return nil, err
		}
		filter = newRowFilter(s.Rows, f, len(names))
		names = append(names, name)
	}
	if d.grouped() {
		if err := d.group(s.Table, len(names)); err != nil {
			return nil, err
		}
		names = append(names, d.cluster+d.time)
	}
	var scratch partScratch
	var passed int64
	for b, err := range s.Table.Batches(ctx, dataset.Request{Columns: names}) {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := filter.choose(b, &scratch)
		for k := range rows.n {
			if passed++; passed <= s.Rows.Skip {
				continue
			}
			if s.Rows.Limit > 0 && d.out.seen == s.Rows.Limit {
				return &d.out, nil
			}
			d.take(b, rows.at(k))
		}
	}
	return &d.out, nil
}

func (d *drawer) grouped() bool { return d.cluster != "" || d.time != "" }

// group prepares what tells the cluster of a row from the column at a place.
func (d *drawer) group(t *dataset.Table, at int) error {
	if d.cluster != "" {
		d.keys, d.time = clusterKeys{at: at}, ""
		if t.Schema().Index(d.cluster) < 0 {
			return t.NoColumn(d.cluster)
		}
		return nil
	}
	var err error
	d.keys, err = dayKeys(t, d.time, d.zone, at)
	return err
}

// take draws the row or lets it pass.
func (d *drawer) take(b *dataset.Batch, i int) {
	at := d.out.seen
	d.out.seen++
	slot := d.out.rows
	switch {
	case slot < d.most:
		d.out.rows++
		if slot+1 == d.most {
			d.skip(at)
		}
	case at == d.next:
		slot = d.r.IntN(d.most)
		d.skip(at)
	default:
		return
	}
	if need := (slot + 1) * len(d.columns); need > len(d.out.cells) {
		d.out.cells = append(d.out.cells, make([]uint64, need-len(d.out.cells))...)
	}
	for c := range d.columns {
		d.out.cells[slot*len(d.columns)+c] = d.cell(&b.Columns[c], i, d.category[c])
	}
	if !d.grouped() {
		return
	}
	if slot == len(d.out.clusters) {
		d.out.clusters = append(d.out.clusters, 0)
	}
	d.keys.append(d.out.clusters[slot:slot], b, chosen{1, []int32{int32(i)}})
}

// skip draws how many rows pass until the next one is drawn.
func (d *drawer) skip(at int64) {
	d.w *= math.Exp(math.Log(1-d.r.Float64()) / float64(d.most))
	gap := math.Floor(math.Log(1-d.r.Float64()) / math.Log1p(-d.w))
	d.next = math.MaxInt64
	if gap < 1<<60 {
		d.next = at + 1 + int64(gap)
	}
}

func (d *drawer) cell(c *dataset.Column, i int, category bool) uint64 {
	if !category {
		return math.Float64bits(c.Number(i))
	}
	if c.Missing.Has(i) {
		return missingCell
	}
	d.text = c.AppendText(d.text[:0], i)
	return max(hashText(d.text), missingCell+1)
}
