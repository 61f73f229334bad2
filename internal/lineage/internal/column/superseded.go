package column

import "mlx/internal/object"

// Superseded returns the rows that a record of this index and of the same noun names in prev.
func (ix *Index) Superseded() Bits {
	out := NewBits(ix.Rows)
	copy(out, fixedView[uint64](ix, secSuperseded))
	return out
}

// Foreign yields the records named in prev that are not in this index, with the row that names each.
func (ix *Index) Foreign(yield func(id object.Digest, row int) bool) {
	rows, ids := fixedView[uint32](ix, secForeign), fixedView[object.Digest](ix, secForeignIDs)
	for i := range min(len(rows), len(ids)) {
		if int(rows[i]) < ix.Rows && !yield(ids[i], int(rows[i])) {
			return
		}
	}
}
