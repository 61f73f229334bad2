package dataset

import (
	"context"
	"encoding/binary"
	"sync"
)

const (
	rowEntrySize  = 32
	rowJoinBits   = 8       // of the hash choose a partition
	rowJoinLarge  = 1 << 18 // entries above which a partition is divided once more
	rowJoinDepth  = 3       // so often: what is left then are copies of few rows
	rowBucketBits = 16      // of the number of a row that do not choose its bucket
	rowJoinParts  = 1 << rowJoinBits
	rowFoundMost  = 1 << 14 // differences on their way to the lists
)

// rowEntry is what is kept of a row.
type rowEntry struct {
	key  [2]uint64
	rest uint64
	row  int64
}

func (e *rowEntry) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, e.key[0])
	dst = binary.LittleEndian.AppendUint64(dst, e.key[1])
	dst = binary.LittleEndian.AppendUint64(dst, e.rest)
	return binary.LittleEndian.AppendUint64(dst, uint64(e.row))
}

func rowEntryAt(b []byte) rowEntry {
	return rowEntry{
		[2]uint64{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])},
		binary.LittleEndian.Uint64(b[16:]), int64(binary.LittleEndian.Uint64(b[24:])),
	}
}

func (e *rowEntry) partition(depth int) int {
	return int(e.key[0] << (rowJoinBits * depth) >> (64 - rowJoinBits))
}

// rowLists are the rows that differ: of the first table with the number of the row in the second plus one, or zero when it was
// removed; and those that were added. Rows count from 0.
type rowLists struct {
	mu      sync.Mutex
	first   *rowSpill
	added   *rowSpill
	changed int64
	removed int64
	more    int64
	twice   [2]rowTwice
}

// rowTwice is a key that stands in two rows, the pair whose second row comes first.
type rowTwice struct {
	rows  [2]int64
	count int64
}

func newRowLists(dir string, limit int) *rowLists {
	return &rowLists{first: newRowSpill(dir, limit), added: newRowSpill(dir, limit)}
}

func (l *rowLists) close() {
	l.first.close()
	l.added.close()
}

// differ notes a row of the first table, and its counterpart or -1.
func (l *rowLists) differ(a, b int64) error {
	if b < 0 {
		l.removed++
	} else {
		l.changed++
	}
	return l.first.pair(int(a>>rowBucketBits), a, b+1)
}

func (l *rowLists) add(b int64) error {
	l.more++
	return l.added.pair(int(b>>rowBucketBits), b, 0)
}

func (t *rowTwice) take(other rowTwice) {
	if t.count == 0 || other.count > 0 && other.rows[1] < t.rows[1] {
		t.rows = other.rows
	}
	t.count += other.count
}

// join finds the rows that differ through hash partitions on disk.
func (d *rowDiffing) join(ctx context.Context) error {
	hasher := newRowHasher(d.plan, false)
	var spills [2]*rowSpill
	for side := range spills {
		spills[side] = newRowSpill(d.opts.Temp, d.opts.Memory/4)
		defer spills[side].close()
		if err := d.scatter(ctx, hasher, spills[side], side); err != nil {
			return err
		}
		if err := spills[side].settle(); err != nil {
			return err
		}
		d.out.Spilled += spills[side].end
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan int)
	var workers sync.WaitGroup
	for range max(d.opts.Workers, 1) {
		workers.Go(func() {
			j := rowJoin{rowDiffing: d}
			for part := range todo {
				if err := j.part(ctx, spills, part, 1); err != nil {
					cancel(err)
				}
			}
		})
	}
	for part := range rowJoinParts {
		select {
		case todo <- part:
		case <-ctx.Done():
		}
	}
	close(todo)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return d.duplicates(ctx)
}

// scatter writes the hashes of the rows of a table into partitions.
func (d *rowDiffing) scatter(ctx context.Context, h *rowHasher, to *rowSpill, side int) error {
	var record [rowEntrySize]byte
	return Fold(ctx, d.tables[side], Request{Columns: d.plan.columns()}, Folding[*rowPart]{
		Part: h.part,
		Merge: func(span Span, p *rowPart) error {
			defer h.parts.Put(p)
			d.places[side].add(span)
			d.out.Rows[side] += int64(p.rows)
			if p.missing >= 0 {
				return d.noKey(span, p)
			}
			for i := range p.rows {
				e := rowEntry{[2]uint64{p.keys[0][i], p.keys[1][i]}, p.rest[i], span.Seen + int64(i)}
				if err := to.add(e.partition(0), e.append(record[:0])); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// rowJoin joins partitions, one after the other.
type rowJoin struct {
	*rowDiffing
	table rowTable
	found rowFound
}

// rowFound is what a partition adds to the lists.
type rowFound struct {
	differ [][2]int64
	added  []int64
	twice  [2]rowTwice
}

// part joins a partition of both tables. One that is too large is divided.
func (j *rowJoin) part(ctx context.Context, spills [2]*rowSpill, part, depth int) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	size := spills[0].size(part) + spills[1].size(part)
	if depth < rowJoinDepth && size > rowJoinLarge*rowEntrySize {
		return j.divide(ctx, spills, part, depth)
	}
	keyed := len(j.plan.key) > 0
	j.table.reset(int(min(size, rowJoinLarge*rowEntrySize) / rowEntrySize))
	for side := range spills {
		for block, err := range spills[side].blocks(part) {
			if err != nil {
				return err
			}
			for ; len(block) >= rowEntrySize; block = block[rowEntrySize:] {
				e := rowEntryAt(block)
				if keyed {
					j.keyed(&e, side)
				} else {
					j.counted(&e, side)
				}
			}
			if err := j.report(rowFoundMost); err != nil {
				return err
			}
		}
	}
	if keyed {
		j.unmatched()
	} else if err := j.surplus(spills[0], part); err != nil {
		return err
	}
	for side := range spills {
		spills[side].drop(part)
	}
	return j.report(0)
}

// divide cuts a partition by more bits of the hash.
func (j *rowJoin) divide(ctx context.Context, spills [2]*rowSpill, part, depth int) error {
	var finer [2]*rowSpill
	for side := range spills {
		finer[side] = newRowSpill(j.opts.Temp, j.opts.Memory/8/max(j.opts.Workers, 1))
		defer finer[side].close()
		for block, err := range spills[side].blocks(part) {
			if err != nil {
				return err
			}
			for ; len(block) >= rowEntrySize; block = block[rowEntrySize:] {
				e := rowEntryAt(block)
				if err := finer[side].add(e.partition(depth), block[:rowEntrySize]); err != nil {
					return err
				}
			}
		}
		if err := finer[side].settle(); err != nil {
			return err
		}
		spills[side].drop(part)
	}
	for p := range rowJoinParts {
		if err := j.part(ctx, finer, p, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// report adds what was found to the lists, if it is more than so many rows.
func (j *rowJoin) report(most int) error {
	if len(j.found.differ)+len(j.found.added) < most {
		return nil
	}
	found := j.found
	j.found = rowFound{differ: found.differ[:0], added: found.added[:0]}
	j.lists.mu.Lock()
	defer j.lists.mu.Unlock()
	for _, p := range found.differ {
		if err := j.lists.differ(p[0], p[1]); err != nil {
			return err
		}
	}
	for _, row := range found.added {
		if err := j.lists.add(row); err != nil {
			return err
		}
	}
	for side, t := range found.twice {
		j.lists.twice[side].take(t)
	}
	return nil
}
