package column

// present adds the rows that have something at path or below it. Empty lists and objects count as nothing.
func (ix *Index) present(out Bits, path string) {
	for _, e := range ix.below(path) {
		p := string(ix.path(e))
		if e.kind == secNum || e.kind == secNumRows {
			ix.numbers(p).each(func(row int, v float64) {
				if v == v && row < ix.Rows {
					out.Set(row)
				}
			})
			continue
		}
		col := ix.texts(p)
		if e.kind >= secFlag {
			col = ix.flags(p)
		}
		col.each(func(row int, code uint32) {
			if code != missingCode && row < ix.Rows {
				out.Set(row)
			}
		})
	}
}
