package sqlite

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
)

// varint reads a number of up to nine bytes. n is 0 where b ends too early.
func varint(b []byte) (v uint64, n int) {
	for i := range min(len(b), 8) {
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	if len(b) < 9 {
		return 0, 0
	}
	return v<<8 | uint64(b[8]), 9
}

// The kinds of value.
const (
	null = iota
	integer
	real
	text
	blob
)

// Value is what a row holds in a column.
type Value struct {
	kind   byte
	number int64 // of an integer
	float  float64
	bytes  []byte
	wide   binary.ByteOrder // of a text in UTF-16
}

// Text is the value as text: numbers as SQLite writes them, nothing where there is no value.
func (v Value) Text() string {
	switch v.kind {
	case integer:
		return strconv.FormatInt(v.number, 10)
	case real:
		return strconv.FormatFloat(v.float, 'g', 15, 64)
	case text, blob:
		if v.wide == nil {
			return string(v.bytes)
		}
		units := make([]uint16, len(v.bytes)/2)
		for i := range units {
			units[i] = v.wide.Uint16(v.bytes[2*i:])
		}
		return string(utf16.Decode(units))
	}
	return ""
}

// Int is the value as a whole number; ok is false where it is none.
func (v Value) Int() (n int64, ok bool) {
	switch v.kind {
	case integer:
		return v.number, true
	case real:
		n = int64(v.float)
		return n, float64(n) == v.float && math.Abs(v.float) < 1<<62
	case text:
		n, err := strconv.ParseInt(strings.TrimSpace(v.Text()), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// Float is the value as a number; ok is false where it is none. SQLite keeps a whole number of a column REAL as an integer.
func (v Value) Float() (f float64, ok bool) {
	switch v.kind {
	case integer:
		return float64(v.number), true
	case real:
		return v.float, true
	case text:
		f, err := strconv.ParseFloat(strings.TrimSpace(v.Text()), 64)
		return f, err == nil
	}
	return 0, false
}

// Row is a row of a table.
type Row struct {
	ID     int64
	table  *Table
	values []Value
}

// Get returns the value of a column by its name; there is none where the table has no such column.
func (r *Row) Get(column string) Value {
	i, ok := r.table.index[column]
	if !ok {
		return Value{}
	}
	return r.At(i)
}

// At returns the value of the i-th column.
func (r *Row) At(i int) Value {
	c := r.table.columns[i]
	if i >= len(r.values) {
		return c.otherwise // the column was added after the row
	}
	if r.values[i].kind == null && c.isRowID {
		return Value{kind: integer, number: r.ID}
	}
	return r.values[i]
}

// decode reads the values of a row.
func (r *Row) decode(payload []byte) error {
	r.values = r.values[:0]
	size, n := varint(payload)
	if n == 0 || size > uint64(len(payload)) || int(size) < n {
		return damaged("a row of table %s has no header", r.table.name)
	}
	header, body := payload[n:size], payload[size:]
	for len(header) > 0 && len(r.values) < len(r.table.columns) {
		kind, n := varint(header)
		if n == 0 {
			return damaged("a row of table %s has half a header", r.table.name)
		}
		header = header[n:]
		width := widthOf(kind)
		if width > uint64(len(body)) {
			return damaged("a row of table %s ends too early", r.table.name)
		}
		r.values = append(r.values, r.table.db.value(kind, body[:width]))
		body = body[width:]
	}
	return nil
}

func widthOf(kind uint64) uint64 {
	if kind >= 12 {
		return (kind - 12) / 2
	}
	return [...]uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0}[kind]
}

func (db *DB) value(kind uint64, b []byte) Value {
	switch {
	case kind == 0 || kind == 10 || kind == 11:
		return Value{}
	case kind == 7:
		f := math.Float64frombits(binary.BigEndian.Uint64(b))
		if math.IsNaN(f) {
			return Value{} // as SQLite, which has none
		}
		return Value{kind: real, float: f}
	case kind == 8 || kind == 9:
		return Value{kind: integer, number: int64(kind - 8)}
	case kind < 7:
		n := int64(int8(b[0])) // the sign
		for _, x := range b[1:] {
			n = n<<8 | int64(x)
		}
		return Value{kind: integer, number: n}
	case kind%2 == 0:
		return Value{kind: blob, bytes: b}
	}
	v := Value{kind: text, bytes: b}
	switch db.encoding {
	case 2:
		v.wide = binary.LittleEndian
	case 3:
		v.wide = binary.BigEndian
	}
	return v
}

// Is reports whether the value is the text, without making one.
func (v Value) Is(s string) bool {
	if v.kind == text && v.wide == nil {
		return string(v.bytes) == s
	}
	return v.Text() == s
}
