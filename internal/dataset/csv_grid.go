package dataset

import "bytes"

// csvGrid is where the fields of a chunk stand. Of each row it holds columns+1 positions: the byte before the first field, and the end
// of each field.
type csvGrid struct {
	columns int
	ends    []uint32
	chunk   textChunk
	d       dialect
	arena   []byte // the chunk, and behind it the fields whose doubled quotes were undone
}

// csvFlaw is why a chunk is no grid.
type csvFlaw struct {
	at     int // byte of the chunk
	fields int // of a ragged row; 0: text after a closing quote
}

// rows is the number of rows.
func (g *csvGrid) rows() int { return len(g.ends) / (g.columns + 1) }

// scan finds the fields of a chunk.
func (g *csvGrid) scan(c textChunk, d dialect, columns int) *csvFlaw {
	g.columns, g.ends = columns, g.ends[:0]
	g.take(c, d)
	buf := c.buf
	if !c.quotes && columns > 1 {
		return g.plain(buf, d)
	}
	for at := 0; at < len(buf); {
		next, flaw := g.row(buf, at, c.quotes, d)
		if flaw != nil {
			return flaw
		}
		at = next
	}
	return nil
}

// row finds the fields of the record that begins at, and returns where the next begins. A blank line is none.
func (g *csvGrid) row(buf []byte, at int, quotes bool, d dialect) (int, *csvFlaw) {
	mark, start := len(g.ends), at
	g.ends = append(g.ends, uint32(at-1))
	for {
		if quotes && at < len(buf) && buf[at] == '"' {
			end := closingQuote(buf, at)
			if end < 0 {
				return 0, &csvFlaw{at: at}
			}
			at = end + 1
			if at < len(buf) && buf[at] == '\r' && d.eol == '\n' && (at+1 == len(buf) || buf[at+1] == '\n') {
				at++
			}
			if at < len(buf) && buf[at] != d.sep && buf[at] != d.eol {
				return 0, &csvFlaw{at: at}
			}
		} else {
			for at < len(buf) && buf[at] != d.sep && buf[at] != d.eol {
				at++
			}
		}
		g.ends = append(g.ends, uint32(at))
		if at == len(buf) || buf[at] == d.eol {
			break
		}
		at++
	}
	fields := len(g.ends) - mark - 1
	if fields == 1 && (at == start || at == start+1 && buf[start] == '\r') {
		g.ends = g.ends[:mark]
		return at + 1, nil
	}
	if fields != g.columns && g.columns > 0 {
		return 0, &csvFlaw{at: start, fields: fields}
	}
	return at + 1, nil
}

// take sets the chunk that the ends are positions in.
func (g *csvGrid) take(c textChunk, d dialect) { g.chunk, g.d, g.arena = c, d, c.buf }

// words returns the fields of a column.
func (g *csvGrid) words(words []word, column int) ([]word, []byte) {
	n, step := g.rows(), g.columns+1
	if cap(words) < n {
		words = make([]word, n)
	}
	words = words[:n]
	if n == 0 {
		return words, g.arena
	}
	ends := g.ends[column:]
	for i := range words {
		words[i] = word{at: ends[i*step] + 1, end: ends[i*step+1]}
	}
	if column == g.columns-1 && g.d.eol == '\n' {
		for i := range words {
			if w := &words[i]; w.end > w.at && g.arena[w.end-1] == '\r' {
				w.end--
			}
		}
	}
	if g.chunk.quotes {
		for i, w := range words {
			if w.end > w.at && g.arena[w.at] == '"' {
				words[i] = g.unquote(w.at+1, w.end-1)
			}
		}
	}
	return words, g.arena
}

// unquote is the word inside of a pair of quotes.
func (g *csvGrid) unquote(at, end uint32) word {
	if bytes.IndexByte(g.arena[at:end], '"') < 0 {
		return word{at: at, end: end}
	}
	start := len(g.arena)
	for i := at; i < end; i++ {
		g.arena = append(g.arena, g.arena[i])
		if g.arena[i] == '"' {
			i++
		}
	}
	return word{at: uint32(start), end: uint32(len(g.arena))}
}
