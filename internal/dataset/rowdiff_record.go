package dataset

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// A record of a row on its way from the second table to its counterpart: its number, and of each column one byte that says whether a
// value follows; a value is 8 bytes, or a length and as many bytes.

var errRowRecord = errors.New("a record of a row is damaged")

// appendRow writes a row of a batch.
func appendRow(dst []byte, row int64, columns []Column, i int) []byte {
	dst = binary.AppendUvarint(dst, uint64(row))
	for k := range columns {
		c := &columns[k]
		if rowMissing(c, i) {
			dst = append(dst, 0)
			continue
		}
		dst = append(dst, 1)
		switch {
		case c.InTexts():
			text := c.Bytes(i)
			dst = append(binary.AppendUvarint(dst, uint64(len(text))), text...)
		case c.Type == Float:
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(c.Floats[i]))
		default:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(c.Ints[i]))
		}
	}
	return dst
}

// rowReader reads records into columns of one row.
type rowReader struct {
	row     int64
	columns []Column
}

func newRowReader(fields []Field) *rowReader {
	r := &rowReader{columns: make([]Column, len(fields))}
	for i, f := range fields {
		r.columns[i] = Column{Field: f, Missing: Bits{0}, Ints: []int64{0}, Floats: []float64{0}, Texts: &Texts{}}
	}
	return r
}

// read takes one record and returns what follows it.
func (r *rowReader) read(b []byte) ([]byte, error) {
	row, n := binary.Uvarint(b)
	if n <= 0 || row > math.MaxInt64 {
		return nil, errRowRecord
	}
	r.row, b = int64(row), b[n:]
	for k := range r.columns {
		c := &r.columns[k]
		if len(b) == 0 || b[0] > 1 {
			return nil, errRowRecord
		}
		c.Missing[0] = 1 - uint64(b[0])
		present := b[0] == 1
		b = b[1:]
		if !present {
			continue
		}
		if c.InTexts() {
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return nil, errRowRecord
			}
			c.Texts.Reset()
			c.Texts.Append(b[n : n+int(size)])
			b = b[n+int(size):]
			continue
		}
		if len(b) < 8 {
			return nil, errRowRecord
		}
		v := binary.LittleEndian.Uint64(b)
		c.Ints[0], c.Floats[0] = int64(v), math.Float64frombits(v)
		b = b[8:]
	}
	return b, nil
}

// rowShelf holds the records of rows by their rank, so that they can be taken in that order.
type rowShelf struct {
	*rowSpill
	from    int64 // rank of the first record of the partition at hand
	data    []byte
	offsets []int // of each record; -1: none
	record  []byte
	frame   []byte
}

// rowShelfBits are those of a rank that do not choose its partition: so many rows are held at once.
const rowShelfBits = 12

func (s *rowShelf) put(rank, row int64, columns []Column, i int) error {
	s.record = binary.AppendUvarint(s.record[:0], uint64(rank))
	head := len(s.record)
	s.record = appendRow(s.record, row, columns, i)
	s.frame = append(binary.AppendUvarint(s.frame[:0], uint64(len(s.record)-head)), s.record...)
	return s.add(int(rank>>rowShelfBits), s.frame)
}

// take reads the record of a rank.
func (s *rowShelf) take(rank int64, r *rowReader) error {
	if len(s.offsets) == 0 || rank < s.from || rank >= s.from+int64(len(s.offsets)) {
		if err := s.load(rank >> rowShelfBits); err != nil {
			return err
		}
	}
	at := s.offsets[rank-s.from]
	if at < 0 {
		return s.failed(errRowRecord)
	}
	_, err := r.read(s.data[at:])
	return err
}

func (s *rowShelf) load(part int64) error {
	s.data = s.data[:0]
	for block, err := range s.blocks(int(part)) {
		if err != nil {
			return err
		}
		s.data = append(s.data, block...)
	}
	s.drop(int(part))
	s.from = part << rowShelfBits
	s.offsets = slices.Grow(s.offsets[:0], 1<<rowShelfBits)[:1<<rowShelfBits]
	for i := range s.offsets {
		s.offsets[i] = -1
	}
	for at := 0; at < len(s.data); {
		size, n := binary.Uvarint(s.data[at:])
		rank, m := binary.Uvarint(s.data[at+max(n, 0):])
		start := at + n + m
		if n <= 0 || m <= 0 || size > uint64(len(s.data)-start) || rank>>rowShelfBits != uint64(part) {
			return s.failed(errRowRecord)
		}
		s.offsets[int64(rank)-s.from] = start
		at = start + int(size)
	}
	return nil
}
