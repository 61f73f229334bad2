package dataset

import (
	"bytes"
)

// jsonCells bounds the cells of a batch, because records may lack most of the columns.
const jsonCells = 1 << 20

// jsonKeys is which keys the records of a pass may have.
type jsonKeys struct {
	names []string       // known ones
	index map[string]int // of names
	cell  []int          // position among the columns that are wanted, or -1
	width int            // columns that are wanted
}

// jsonGrid is where the values of some records of a chunk stand.
type jsonGrid struct {
	keys   *jsonKeys
	starts []uint32 // of the records
	cells  []word   // width a record
	arena  []byte   // the chunk, and behind it texts whose escapes were undone and canonical JSON
	seen   []int    // 1 + the record in which a known key stood last
	order  []int    // known key at the n-th place of a record, to be tried first
	fresh  []jsonFresh
	key    []byte
}

// jsonFresh is a key that was not known, with its value.
type jsonFresh struct {
	key string
	at  word
}

// jsonFlaw is what is wrong with a record.
type jsonFlaw struct {
	at  int
	err error
}

func (g *jsonGrid) rows() int { return len(g.starts) }

func (g *jsonGrid) position(row, _ int) int { return int(g.starts[row]) }

// words returns the values of a column that is wanted.
func (g *jsonGrid) words(words []word, column int) ([]word, []byte) {
	words = words[:0]
	for i := column; i < len(g.cells); i += g.keys.width {
		words = append(words, g.cells[i])
	}
	return words, g.arena
}

// begin takes a chunk.
func (g *jsonGrid) begin(buf []byte, keys *jsonKeys) {
	g.keys, g.arena, g.fresh = keys, buf, g.fresh[:0]
	if len(g.seen) != len(keys.names) {
		g.seen, g.order = make([]int, len(keys.names)), g.order[:0]
	}
	for len(g.order) < len(keys.names) {
		g.order = append(g.order, len(g.order))
	}
}

// scan reads records from at on, as many as a batch holds, and returns where the next begins. In an array commas stand between them.
func (g *jsonGrid) scan(buf []byte, at int, array bool) (int, *jsonFlaw) {
	g.starts, g.cells = g.starts[:0], g.cells[:0]
	clear(g.seen)
	most := max(64, jsonCells/max(1, g.keys.width))
	for at = skipBlank(buf, at); at < len(buf) && len(g.starts) < most; at = skipBlank(buf, at) {
		end := len(buf)
		if !array {
			if i := bytes.IndexByte(buf[at:], '\n'); i >= 0 {
				end = at + i
			}
		}
		start := at
		g.starts = append(g.starts, uint32(at))
		next, err := g.record(buf[:end], at)
		if err != nil {
			return at, &jsonFlaw{max(start, min(next, len(buf))), err}
		}
		at = skipBlank(buf[:end], next)
		if array && at < end && buf[at] == ',' {
			at++
		} else if at < end {
			return at, &jsonFlaw{at, errJSONMore}
		}
	}
	return at, nil
}

// record reads one object.
func (g *jsonGrid) record(buf []byte, at int) (int, error) {
	if buf[at] != '{' {
		return at, errJSONRecord
	}
	row := len(g.starts)
	mark := len(g.cells)
	for range g.keys.width {
		g.cells = append(g.cells, word{kind: wordMissing})
	}
	if at = skipBlank(buf, at+1); at < len(buf) && buf[at] == '}' {
		return at + 1, nil
	}
	for place := 0; ; place++ {
		if at == len(buf) {
			return at, errJSONEnd
		}
		known, key, next, err := g.name(buf, at, place)
		if err != nil {
			return next, err
		}
		var w word
		if w, at, err = g.value(buf, next, known); err != nil {
			return at, err
		}
		if known < 0 {
			g.fresh = append(g.fresh, jsonFresh{string(key), w})
		} else if g.seen[known] == row {
			return at, errJSONTwice
		} else {
			g.seen[known] = row
			if cell := g.keys.cell[known]; cell >= 0 {
				g.cells[mark+cell] = w
			}
		}
		if at = skipBlank(buf, at); at == len(buf) {
			return at, errJSONEnd
		}
		switch buf[at] {
		case '}':
			return at + 1, nil
		case ',':
			at = skipBlank(buf, at+1)
		default:
			return at, errJSONObject
		}
	}
}

// name reads the key at and its colon. It returns its number, or -1, and where its value begins.
func (g *jsonGrid) name(buf []byte, at, place int) (known int, key []byte, next int, err error) {
	if buf[at] != '"' {
		return -1, nil, at, errJSONObject
	}
	end, escaped, err := scanString(buf, at)
	if err != nil {
		return -1, nil, end, err
	}
	key = buf[at+1 : end]
	if escaped {
		if g.key, err = unescape(g.key[:0], key); err != nil {
			return -1, nil, at, err
		}
		key = g.key
	}
	if next = skipBlank(buf, end+1); next == len(buf) || buf[next] != ':' {
		return -1, nil, next, errJSONObject
	}
	return g.find(key, place), key, skipBlank(buf, next+1), nil
}

// find returns the number of a key, or -1. Records mostly have the same keys in the same order.
func (g *jsonGrid) find(key []byte, place int) int {
	if place < len(g.order) && g.keys.names[g.order[place]] == string(key) {
		return g.order[place]
	}
	known, ok := g.keys.index[string(key)]
	if !ok {
		return -1
	}
	if place < len(g.order) {
		g.order[place] = known
	}
	return known
}

// value reads the value at. What is made of it is kept only where it is wanted.
func (g *jsonGrid) value(buf []byte, at, known int) (word, int, error) {
	if at == len(buf) {
		return word{}, at, errJSONEnd
	}
	switch c := buf[at]; {
	case c == '"':
		end, escaped, err := scanString(buf, at)
		if err != nil {
			return word{}, end, err
		}
		w := word{at: uint32(at + 1), end: uint32(end), kind: wordString}
		if escaped {
			w.at = uint32(len(g.arena))
			g.arena, err = unescape(g.arena, buf[at+1:end])
			w.end = uint32(len(g.arena))
		}
		return w, end + 1, err
	case c == '{' || c == '[':
		w := word{at: uint32(len(g.arena)), kind: wordNested}
		arena, end, err := canonicalValue(g.arena, buf, at, 0)
		g.arena = arena
		w.end = uint32(len(g.arena))
		if known >= 0 && g.keys.cell[known] < 0 {
			g.arena = g.arena[:w.at]
		}
		return w, end, err
	case c == '-' || c-'0' <= 9 || c == 'N' || c == 'I':
		end, err := scanNumber(buf, at)
		return word{at: uint32(at), end: uint32(end), kind: wordNumber}, end, err
	}
	end, kind, err := scanLiteral(buf, at)
	return word{at: uint32(at), end: uint32(end), kind: kind}, end, err
}
