package dataset

// RowHashes hashes rows by some of their columns to 128 bits, so that whoever looks for rows that are the same can keep hashes in place
// of rows. Rows whose values are the same have the same hash, whatever the types of the columns; others have another but for a chance of
// about 2^-126, also of rows that somebody chose. Hashes are of use while the RowHashes that made them is: they are others the next time.
type RowHashes struct {
	columns []rowColumn
	hasher  *rowHasher
}

// NewRowHashes is for batches that have these columns, in this order.
func NewRowHashes(fields Schema) *RowHashes {
	h := &RowHashes{}
	for i := range fields {
		c, _ := pairRows(&fields[i], &fields[i])
		h.columns = append(h.columns, c)
	}
	h.hasher = newRowHasher(&rowPlan{rest: h.columns}, false)
	return h
}

// Append adds the hash of each row of a batch, two words each. It may be called by several goroutines.
func (h *RowHashes) Append(dst []uint64, b *Batch) []uint64 {
	s := h.hasher.parts.Get().(*rowPart)
	defer h.hasher.parts.Put(s)
	s.rows = b.Rows
	s.words = rowZeros(s.words, b.Rows)
	h.hasher.hashKeys(s, b, h.columns)
	for i, v := range s.keys[0] {
		dst = append(dst, v, s.keys[1][i])
	}
	return dst
}
