package dataset

import "math/bits"

// Bits is a set of rows of a batch: bit i%64 of word i/64 is row i. A nil set is empty.
type Bits []uint64

// Has says whether row i is in the set.
func (b Bits) Has(i int) bool { return b != nil && b[i>>6]&(1<<(i&63)) != 0 }

// Set puts row i into the set, which must be long enough.
func (b Bits) Set(i int) { b[i>>6] |= 1 << (i & 63) }

// Count returns the number of rows in the set.
func (b Bits) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// Texts are strings, one after the other.
type Texts struct {
	Offsets []uint32 // one more than strings
	Bytes   []byte
}

// Len returns the number of strings.
func (t *Texts) Len() int { return max(len(t.Offsets)-1, 0) }

// At returns string i, valid as long as the batch.
func (t *Texts) At(i int) []byte { return t.Bytes[t.Offsets[i]:t.Offsets[i+1]] }

// Append adds a string.
func (t *Texts) Append(s []byte) {
	if len(t.Offsets) == 0 {
		t.Offsets = append(t.Offsets, 0)
	}
	t.Bytes = append(t.Bytes, s...)
	t.Offsets = append(t.Offsets, uint32(len(t.Bytes)))
}

// Reset forgets the strings and keeps the memory.
func (t *Texts) Reset() { t.Offsets, t.Bytes = t.Offsets[:0], t.Bytes[:0] }

// Column holds the values of one column for the rows of a batch. The slice in use is as long as the batch; where a value is missing
// it holds a zero, and an empty string.
type Column struct {
	Field
	Missing Bits // nil when no value is missing
	Ints    []int64
	Floats  []float64 // NaN and infinities are values
	Texts   *Texts    // of a column with a dictionary: the dictionary
	Codes   []uint32  // not nil: row i is Texts.At(Codes[i]); a batch shares its dictionary with nobody
}

// Bytes returns the text in row i of a column whose values stand in Texts. It is valid as long as the batch.
func (c *Column) Bytes(i int) []byte {
	if c.Codes != nil {
		return c.Texts.At(int(c.Codes[i]))
	}
	return c.Texts.At(i)
}

// InTexts says whether the values of the column stand in Texts.
func (c *Column) InTexts() bool {
	return c.Type >= Text || c.Type == Decimal && c.Wide
}

// Batch is some rows of a table, one after the other. It belongs to the reader: whoever wants to keep a part copies it.
type Batch struct {
	Rows    int
	Columns []Column // those asked for, in the order in which they were asked for
}

// Span says which rows of the table a batch holds.
type Span struct {
	File string // as its reader calls it
	Row  int64  // number of the first row in its file, from 1, the header not counted
	Seen int64  // rows of the table before it
	Unit int    // number of the unit that it is of, in the table, from 0
	Rows int
}
