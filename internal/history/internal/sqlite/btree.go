package sqlite

import (
	"encoding/binary"
	"iter"
	"math"
	"sort"
)

// The kinds of page of a table.
const (
	interiorPage = 5
	leafPage     = 13
)

// Rows yields the rows with ids from first to last, in the order of their ids. A row is valid until the next one.
func (t *Table) Rows(first, last int64) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		w := walk{t: t, first: first, last: last, before: math.MinInt64, yield: yield, row: Row{table: t}}
		if _, err := w.visit(t.root, 0); err != nil {
			yield(nil, err)
		}
	}
}

// All yields every row of the table.
func (t *Table) All() iter.Seq2[*Row, error] { return t.Rows(math.MinInt64, math.MaxInt64) }

// walk goes through a tree. That row ids only grow, and that no more pages are visited than there are, ends every walk through
// pages that name each other in circles.
type walk struct {
	t           *Table
	first, last int64
	before      int64 // the id of the last row
	any         bool
	visited     uint32
	yield       func(*Row, error) bool
	row         Row
	payload     []byte // of rows that do not fit on a page
}

// visit walks through the tree below a page. more is false once nobody wants another row.
func (w *walk) visit(number uint32, depth int) (more bool, err error) {
	db := w.t.db
	if w.visited++; w.visited > db.pages || depth > maxDepth {
		return false, damaged("pages of table %s name each other in a circle", w.t.name)
	}
	page, err := db.page(number)
	if err != nil {
		return false, err
	}
	head := page
	if number == 1 {
		head = page[headerBytes:]
	}
	cells := int(binary.BigEndian.Uint16(head[3:]))
	size := 8
	if head[0] == interiorPage {
		size = 12
	}
	if size+2*cells > len(head) {
		return false, damaged("page %d of table %s has %d cells", number, w.t.name, cells)
	}
	pointers := head[size : size+2*cells]
	switch head[0] {
	case leafPage:
		return w.leaf(page, pointers)
	case interiorPage:
		return w.interior(page, pointers, binary.BigEndian.Uint32(head[8:]), depth)
	}
	return false, damaged("page %d is no part of table %s", number, w.t.name)
}

// cell returns the bytes from the i-th cell of a page on.
func cell(page, pointers []byte, i int) []byte {
	at := int(binary.BigEndian.Uint16(pointers[2*i:]))
	if at >= len(page) {
		return nil
	}
	return page[at:]
}

func (w *walk) interior(page, pointers []byte, right uint32, depth int) (bool, error) {
	n := len(pointers) / 2
	key := func(i int) int64 {
		c := cell(page, pointers, i)
		if len(c) < 5 {
			return math.MinInt64
		}
		k, _ := varint(c[4:])
		return int64(k)
	}
	for i := sort.Search(n, func(i int) bool { return key(i) >= w.first }); i < n; i++ {
		c := cell(page, pointers, i)
		if len(c) < 5 {
			return false, damaged("a cell of table %s is outside of its page", w.t.name)
		}
		if more, err := w.visit(binary.BigEndian.Uint32(c), depth+1); !more || err != nil {
			return false, err
		}
		if key(i) >= w.last {
			return false, nil
		}
	}
	return w.visit(right, depth+1)
}

func (w *walk) leaf(page, pointers []byte) (bool, error) {
	for i := range len(pointers) / 2 {
		c := cell(page, pointers, i)
		size, n := varint(c)
		id, m := varint(c[min(n, len(c)):])
		if n == 0 || m == 0 {
			return false, damaged("a cell of table %s is outside of its page", w.t.name)
		}
		rowid := int64(id)
		if w.any && rowid <= w.before {
			return false, damaged("rows of table %s are not in order", w.t.name)
		}
		w.any, w.before = true, rowid
		if rowid < w.first {
			continue
		}
		if rowid > w.last {
			return false, nil
		}
		payload, err := w.content(c[n+m:], size)
		if err == nil {
			w.row.ID = rowid
			err = w.row.decode(payload)
		}
		if err != nil {
			return false, err
		}
		if !w.yield(&w.row, nil) {
			return false, nil
		}
	}
	return true, nil
}

// content returns the size bytes of a row, which begin in its cell and may go on in pages of their own.
func (w *walk) content(c []byte, size uint64) ([]byte, error) {
	db := w.t.db
	if size > maxPayload || size > uint64(db.pages)*uint64(db.usable) {
		return nil, damaged("a row of table %s has %d bytes", w.t.name, size)
	}
	total, most := int(size), db.usable-35
	local := total
	if total > most {
		least := (db.usable-12)*32/255 - 23
		local = least + (total-least)%(db.usable-4)
		if local > most {
			local = least
		}
	}
	if local > len(c) {
		return nil, damaged("a cell of table %s is outside of its page", w.t.name)
	}
	if local == total {
		return c[:total], nil
	}
	if len(c) < local+4 {
		return nil, damaged("a cell of table %s is outside of its page", w.t.name)
	}
	w.payload = append(w.payload[:0], c[:local]...)
	next := binary.BigEndian.Uint32(c[local:])
	for len(w.payload) < total { // each page brings some bytes, so it ends
		page, err := db.page(next)
		if err != nil {
			return nil, err
		}
		next = binary.BigEndian.Uint32(page)
		w.payload = append(w.payload, page[4:min(db.usable, 4+total-len(w.payload))]...)
	}
	return w.payload, nil
}
