package dataset

// columnMaker is a column of a batch while it is made. Its memory serves all batches.
type columnMaker struct {
	Column
	flat    bool     // no dictionary is wanted
	codes   []uint32 // the memory of Codes
	missing Bits     // the memory of Missing
	used    []uint32 // codes of the file whose entries the dictionary of the batch has
}

// begin empties the column for a batch of n rows.
func (c *columnMaker) begin(f Field, n int) {
	if c.Codes != nil {
		c.codes = c.Codes
	}
	if c.codes == nil {
		c.codes = []uint32{}
	}
	c.Field, c.Codes = f, nil
	c.Ints, c.Floats = c.Ints[:0], c.Floats[:0]
	switch { // what is appended page by page has its room from the start
	case c.InTexts():
	case f.Type == Float:
		c.Floats = grow(c.Floats, n)[:0]
	case f.Type != Null:
		c.Ints = grow(c.Ints, n)[:0]
	}
	if c.Texts == nil {
		c.Texts = &Texts{}
	}
	c.Texts.Reset()
	c.Texts.Offsets = append(c.Texts.Offsets, 0)
	c.missing = grow(c.missing[:0], (n+63)/64)
	clear(c.missing)
	c.Missing = c.missing
}

// spread makes k rows of the last k-absent values: those from row at on that are not missing.
func (c *columnMaker) spread(at, k, absent int) {
	if absent == 0 {
		return
	}
	switch {
	case c.Codes != nil:
		c.Codes = spreadOver(c.Codes, c.Missing, at, k, absent)
	case c.Type == Float:
		c.Floats = spreadOver(c.Floats, c.Missing, at, k, absent)
	case c.InTexts():
		c.spreadTexts(at, k, absent)
	case c.Type != Null:
		c.Ints = spreadOver(c.Ints, c.Missing, at, k, absent)
	}
}

func spreadOver[T int64 | float64 | uint32](s []T, missing Bits, at, k, absent int) []T {
	from := len(s) - 1
	s = grow(s, absent)
	for row := k - 1; row >= 0; row-- {
		if missing.Has(at + row) {
			s[at+row] = 0
			continue
		}
		s[at+row] = s[from]
		from--
	}
	return s
}

// spreadTexts is spreadOver for strings: those that are missing are empty.
func (c *columnMaker) spreadTexts(at, k, absent int) {
	from := len(c.Texts.Offsets) - 1
	c.Texts.Offsets = grow(c.Texts.Offsets, absent)
	off := c.Texts.Offsets
	for row := k - 1; row >= 0; row-- {
		off[at+row+1] = off[from]
		if !c.Missing.Has(at + row) {
			from--
		}
	}
}

// flatten makes strings of the codes of the first rows.
func (c *columnMaker) flatten(rows int) {
	flat := &Texts{Offsets: make([]uint32, 1, rows+1)}
	for i := range rows {
		if c.Missing.Has(i) {
			flat.Append(nil)
		} else {
			flat.Append(c.Texts.At(int(c.Codes[i])))
		}
	}
	c.codes, c.Codes, c.Texts = c.Codes, nil, flat
}

// end finishes the column. A missing row of a column with a dictionary has the empty string.
func (c *columnMaker) end(rows int) {
	if c.Missing.Count() == 0 {
		c.Missing = nil
		return
	}
	if c.Codes == nil {
		return
	}
	empty := -1
	for i := range c.Texts.Len() {
		if len(c.Texts.At(i)) == 0 {
			empty = i
			break
		}
	}
	if empty < 0 {
		empty = c.Texts.Len()
		c.Texts.Append(nil)
	}
	for i := range rows {
		if c.Missing.Has(i) {
			c.Codes[i] = uint32(empty)
		}
	}
}

// allMissing makes a column of n rows without values.
func (c *columnMaker) allMissing(f Field, n int) {
	c.begin(f, n)
	c.Missing.fill(0, n)
	switch {
	case c.InTexts():
		c.Texts.Offsets = grow(c.Texts.Offsets, n)
		clear(c.Texts.Offsets)
	case f.Type == Float:
		c.Floats = grow(c.Floats, n)
		clear(c.Floats)
	case f.Type != Null:
		c.Ints = grow(c.Ints, n)
		clear(c.Ints)
	}
}
