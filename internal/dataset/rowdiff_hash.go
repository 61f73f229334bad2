package dataset

import (
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
)

// rowLane hashes rows to 64 bits. Each column has a multiplier of its own, drawn at random, so that whatever two values differ by they
// meet with a probability of 2^-63 (multiply-shift with 128 bits); nobody can make input that meets more often.
type rowLane struct {
	seed    maphash.Seed
	missing uint64
	tags    [rowTags]uint64
	by      []rowMultiplier // of each column
}

type rowMultiplier struct{ hi, lo uint64 }

func newRowLane(columns int) *rowLane {
	l := &rowLane{seed: maphash.MakeSeed(), by: make([]rowMultiplier, columns)}
	n := 0
	random := func() uint64 { // of the seed, which is
		n++
		return maphash.Comparable(l.seed, n)
	}
	l.missing = random()
	for i := range l.tags {
		l.tags[i] = random()
	}
	l.tags[rowTagInt] = 0
	for i := range l.by {
		l.by[i] = rowMultiplier{random(), random() | 1}
	}
	return l
}

// absorb takes the words of a column into the hashes of the rows.
func (l *rowLane) absorb(hashes, words []uint64, column int) {
	by := l.by[column]
	words = words[:len(hashes)]
	for i, h := range hashes {
		x := h ^ words[i]
		hi, _ := bits.Mul64(x, by.lo)
		hashes[i] = hi + x*by.hi
	}
}

// rowSpread spreads what multiply-shift leaves in a row, without a loss, so that its bits can choose slots.
func rowSpread(h uint64) uint64 {
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}

// words makes a word of each value of a column: the same for the same value, from whatever type.
func (l *rowLane) words(s *rowPart, c *Column, r *rowColumn) []uint64 {
	dst := s.words[:s.rows]
	switch {
	case c.Type == Null:
		for i := range dst {
			dst[i] = l.missing
		}
		return dst
	case r.mode == rowAsInts:
		for i, v := range c.Ints[:s.rows] {
			dst[i] = uint64(v)
		}
	case r.mode == rowAsFloats:
		for i, v := range c.Floats[:s.rows] {
			dst[i] = math.Float64bits(v + 0) // -0 + 0 is 0
			if v != v {
				dst[i] = rowNaNBits
			}
		}
	case r.mode == rowAsTexts:
		l.texts(s, c, dst)
	default:
		l.values(s, c, r, dst)
	}
	if c.Missing != nil {
		for w, set := range c.Missing {
			for ; set != 0; set &= set - 1 {
				if i := w<<6 + bits.TrailingZeros64(set); i < s.rows {
					dst[i] = l.missing
				}
			}
		}
	}
	return dst
}

// texts hashes each entry of a dictionary once, unless there are more of them than rows.
func (l *rowLane) texts(s *rowPart, c *Column, dst []uint64) {
	if c.Codes == nil {
		for i := range dst {
			dst[i] = maphash.Bytes(l.seed, c.Texts.At(i))
		}
		return
	}
	n := c.Texts.Len()
	if n > len(dst) {
		for i := range dst {
			dst[i] = maphash.Bytes(l.seed, c.Bytes(i))
		}
		return
	}
	if cap(s.entries) < n {
		s.entries = make([]uint64, n)
	}
	entries := s.entries[:n]
	for i := range entries {
		entries[i] = maphash.Bytes(l.seed, c.Texts.At(i))
	}
	for i, code := range c.Codes[:len(dst)] {
		dst[i] = 0
		if int(code) < n { // of a missing value there may be no entry
			dst[i] = entries[code]
		}
	}
}

func (l *rowLane) values(s *rowPart, c *Column, r *rowColumn, dst []uint64) {
	for i := range dst {
		if c.Missing.Has(i) {
			continue
		}
		tag, word, text := r.canonical(s.text[:0], c, i)
		if tag == rowTagText {
			word = maphash.Bytes(l.seed, text)
		}
		s.text = text
		dst[i] = word ^ l.tags[tag]
	}
}

// rowPart is what is left of a batch: for each row hashes of its key and of the rest.
type rowPart struct {
	rows               int
	keys               [2][]uint64 // when the keys are hashed
	rest               []uint64
	order              []rowOrder // when they are merged, the keys themselves
	missing, missingIn int        // first row whose key is missing and the column of the key, or -1
	words, entries     []uint64
	text               []byte
}

// rowHasher makes parts of batches. It is used by several goroutines.
type rowHasher struct {
	plan  *rowPlan
	keys  [2]*rowLane
	rest  *rowLane
	merge bool // keys are kept
	parts sync.Pool
}

func newRowHasher(p *rowPlan, merge bool) *rowHasher {
	h := &rowHasher{plan: p, merge: merge}
	n := len(p.key) + len(p.rest)
	h.keys[0], h.keys[1], h.rest = newRowLane(n), newRowLane(n), newRowLane(n)
	h.parts.New = func() any { return &rowPart{} }
	return h
}

func rowZeros(s []uint64, n int) []uint64 {
	if cap(s) < n {
		return make([]uint64, n)
	}
	clear(s[:n])
	return s[:n]
}

// part hashes the rows of a batch.
func (h *rowHasher) part(b *Batch) (*rowPart, error) {
	s := h.parts.Get().(*rowPart)
	s.rows, s.missing = b.Rows, -1
	s.words, s.rest = rowZeros(s.words, b.Rows), rowZeros(s.rest, b.Rows)
	for i := range h.plan.key {
		s.noKey(&b.Columns[i], i)
	}
	if s.missing >= 0 {
		return s, nil
	}
	key, rest := h.plan.key, h.plan.rest
	if len(key) == 0 { // the whole row is the key
		key, rest = rest, nil
	}
	if !h.merge {
		h.hashKeys(s, b, key)
	} else if err := h.ordered(s, b); err != nil {
		return nil, err
	}
	for i := range rest {
		n := len(key) + i
		h.rest.absorb(s.rest, h.rest.words(s, &b.Columns[n], &rest[i]), n)
	}
	return s, nil
}

// hashKeys hashes the first columns of a batch.
func (h *rowHasher) hashKeys(s *rowPart, b *Batch, key []rowColumn) {
	for lane, l := range h.keys {
		s.keys[lane] = rowZeros(s.keys[lane], b.Rows)
		for i := range key {
			l.absorb(s.keys[lane], l.words(s, &b.Columns[i], &key[i]), i)
		}
		for i, v := range s.keys[lane] {
			s.keys[lane][i] = rowSpread(v)
		}
	}
}

// ordered keeps the keys in place of hashes of them.
func (h *rowHasher) ordered(s *rowPart, b *Batch) error {
	if len(s.order) == 0 {
		s.order = make([]rowOrder, len(h.plan.key))
	}
	for i := range h.plan.key {
		s.order[i].keep(&b.Columns[i], &h.plan.key[i], b.Rows)
	}
	for i := 1; i < s.rows; i++ {
		if rowCompare(s.order, i-1, s.order, i) >= 0 {
			return errRowOrder
		}
	}
	return nil
}

// noKey looks for a key that is missing.
func (s *rowPart) noKey(c *Column, column int) {
	first := -1
	if c.Type == Null {
		first = 0
	}
	for w, set := range c.Missing {
		if set != 0 && first < 0 {
			first = w<<6 + bits.TrailingZeros64(set)
		}
	}
	if first >= 0 && first < s.rows && (s.missing < 0 || first < s.missing) {
		s.missing, s.missingIn = first, column
	}
}
