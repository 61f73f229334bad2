package dataset

import (
	"errors"
	"fmt"
	"math"
)

// parquetNode is an element of the schema in its tree.
type parquetNode struct {
	parquetElement
	nodes    []*parquetNode
	rep, def int // levels at which it is present
	leaf     int // its position among the leaves, -1 of a group
	conv     parquetConv
}

const maxParquetDepth = 60

// parquetTree makes the tree of the schema and returns its root and its leaves.
func parquetTree(elements []parquetElement) (*parquetNode, []*parquetNode, error) {
	t := treeMaker{rest: elements}
	root := t.node(0, 0, 0)
	if t.err == nil && len(t.rest) > 0 {
		t.err = errors.New("its schema has elements that belong to nothing")
	}
	if t.err == nil && root.leaf >= 0 {
		t.err = errors.New("its schema has no columns")
	}
	return root, t.leaves, t.err
}

type treeMaker struct {
	rest   []parquetElement
	leaves []*parquetNode
	err    error
}

func (t *treeMaker) node(depth, rep, def int) *parquetNode {
	n := &parquetNode{leaf: -1}
	if len(t.rest) == 0 || depth > maxParquetDepth {
		t.err = errors.New("its schema is cut short, or too deep")
		return n
	}
	n.parquetElement, t.rest = t.rest[0], t.rest[1:]
	n.rep, n.def = rep, def
	if depth > 0 {
		switch n.repetition {
		case parquetRepeated:
			n.rep++
			n.def++
		case parquetOptional:
			n.def++
		}
	}
	if n.physical >= 0 {
		n.leaf = len(t.leaves)
		t.leaves = append(t.leaves, n)
		if n.conv, t.err = n.converts(); t.err != nil {
			t.err = fmt.Errorf("column %q: %w", n.name, t.err)
		}
		return n
	}
	for range n.children {
		if t.err != nil {
			return n
		}
		n.nodes = append(n.nodes, t.node(depth+1, n.rep, n.def))
	}
	return n
}

// field describes a column of the table: a child of the root.
func (n *parquetNode) field() Field {
	f := Field{Name: n.name, Type: Nested, From: n.from()}
	if n.leaf >= 0 && n.repetition != parquetRepeated {
		f.Type, f.Scale, f.Naive, f.Wide = n.conv.typ, n.conv.scale, n.conv.naive, n.conv.wide
	}
	return f
}

// from is the type as Parquet calls it.
func (n *parquetNode) from() string {
	name := ""
	switch {
	case n.leaf >= 0:
		name = n.conv.from
	case n.isList():
		name = "LIST"
	case n.isMap():
		name = "MAP"
	default:
		name = "STRUCT"
	}
	if n.repetition == parquetRepeated {
		return "repeated " + name
	}
	return name
}

const (
	convertedUTF8     = 0
	convertedMap      = 1
	convertedMapEntry = 2
	convertedList     = 3
	convertedEnum     = 4
	convertedDecimal  = 5
	convertedDate     = 6
	convertedMillis   = 7 // time of day
	convertedMicros   = 8
	convertedStampMS  = 9
	convertedStampUS  = 10
	convertedUint8    = 11
	convertedUint64   = 14
	convertedInt8     = 15
	convertedInt64    = 18
	convertedJSON     = 19
	convertedBSON     = 20
)

// isList says whether a group is a list: one repeated child, whose own child, or itself, is the element.
func (n *parquetNode) isList() bool {
	return n.leaf < 0 && (n.logical.kind == logicalList || n.converted == convertedList) && len(n.nodes) == 1 && n.nodes[0].repetition == parquetRepeated
}

// isMap says whether a group is a map: one repeated child with a key and perhaps a value.
func (n *parquetNode) isMap() bool {
	if n.leaf >= 0 || n.logical.kind != logicalMap && n.converted != convertedMap && n.converted != convertedMapEntry || len(n.nodes) != 1 {
		return false
	}
	entry := n.nodes[0]
	return entry.repetition == parquetRepeated && entry.leaf < 0 && (len(entry.nodes) == 1 || len(entry.nodes) == 2) &&
		entry.nodes[0].leaf >= 0 && entry.nodes[0].repetition != parquetRepeated
}

// element is what a list repeats, and whether the repeated group around it is only there because Parquet wants one. The rules are
// those of the format for lists that old writers made.
func (n *parquetNode) listElement() (*parquetNode, bool) {
	mid := n.nodes[0]
	if mid.leaf >= 0 || len(mid.nodes) != 1 || mid.name == "array" || mid.name == n.name+"_tuple" || mid.nodes[0].repetition == parquetRepeated {
		return mid, false
	}
	return mid.nodes[0], true
}

// parquetConv is how the values of a leaf become those of a column.
type parquetConv struct {
	typ   Type
	scale int
	naive bool
	wide  bool
	from  string

	physical int32
	length   int   // of fixed bytes
	times    int64 // by which whole numbers are multiplied; 0: once
	mask     int64 // of unsigned numbers that are narrower than their storage; 0: none
	unsigned bool  // 64 bits
	bytes    bytesConv
}

// bytesConv is what bytes mean.
type bytesConv uint8

const (
	bytesText bytesConv = iota
	bytesDecimal
	bytesHalf
	bytesUUID
	bytesInt96
)

// converts finds out what the values of a leaf are. What the format does not know is read as what it is stored as.
func (n *parquetNode) converts() (parquetConv, error) {
	c := parquetConv{physical: n.physical, length: int(n.length)}
	if n.physical > parquetFixed {
		return c, fmt.Errorf("there is no physical type %d", n.physical)
	}
	if n.physical == parquetFixed && (n.length < 0 || n.length > math.MaxInt32/2 || n.length == 0) {
		return c, fmt.Errorf("its values have %d bytes", n.length)
	}
	if n.logical.kind == logicalUnknown {
		c.typ, c.from = Null, "NULL"
		return c, nil
	}
	switch n.physical {
	case parquetBoolean:
		c.typ, c.from = Bool, "BOOLEAN"
	case parquetInt32, parquetInt64:
		return n.convertsInt(c)
	case parquetInt96:
		c.typ, c.naive, c.bytes, c.from, c.length = Time, true, bytesInt96, "INT96", 12
	case parquetFloat:
		c.typ, c.from = Float, "FLOAT"
	case parquetDouble:
		c.typ, c.from = Float, "DOUBLE"
	default:
		return n.convertsBytes(c)
	}
	return c, nil
}

func (n *parquetNode) convertsInt(c parquetConv) (parquetConv, error) {
	l := n.logical
	switch {
	case l.kind == logicalDecimal || l.kind == 0 && n.converted == convertedDecimal:
		return n.convertsDecimal(c)
	case l.kind == logicalDate || l.kind == 0 && n.converted == convertedDate:
		c.typ, c.from = Date, "DATE"
		if n.physical == parquetInt64 {
			return c, errors.New("a date is not stored in 64 bits")
		}
		return c, nil
	case l.kind == logicalTime || l.kind == logicalTimestamp:
		return n.convertsTime(c, l.kind == logicalTimestamp, l.unit, l.utc)
	case l.kind == 0 && (n.converted == convertedMillis || n.converted == convertedMicros):
		return n.convertsTime(c, false, int16(n.converted-convertedMillis+1), true)
	case l.kind == 0 && (n.converted == convertedStampMS || n.converted == convertedStampUS):
		return n.convertsTime(c, true, int16(n.converted-convertedStampMS+1), true)
	}
	bits, signed := 32, true
	if n.physical == parquetInt64 {
		bits = 64
	}
	switch {
	case l.kind == logicalInteger:
		bits, signed = int(l.bits), l.signed
	case l.kind == 0 && n.converted >= convertedUint8 && n.converted <= convertedUint64:
		bits, signed = 8<<(n.converted-convertedUint8), false
	case l.kind == 0 && n.converted >= convertedInt8 && n.converted <= convertedInt64:
		bits = 8 << (n.converted - convertedInt8)
	}
	c.typ, c.from = Int, fmt.Sprintf("INT%d", bits)
	if !signed {
		c.from = fmt.Sprintf("UINT%d", bits)
		if c.unsigned = n.physical == parquetInt64; !c.unsigned {
			c.mask = math.MaxUint32
		}
	}
	return c, nil
}

func (n *parquetNode) convertsTime(c parquetConv, stamp bool, unit int16, utc bool) (parquetConv, error) {
	names := []string{"", "MILLIS", "MICROS", "NANOS"}
	if unit < 1 || unit > 3 {
		return c, fmt.Errorf("there is no unit of time %d", unit)
	}
	c.times = []int64{0, 1e6, 1e3, 1}[unit]
	if stamp {
		c.typ, c.naive, c.from = Time, !utc, "TIMESTAMP("+names[unit]
		if n.physical != parquetInt64 {
			return c, errors.New("a timestamp is not stored in 32 bits")
		}
	} else {
		c.typ, c.from = Clock, "TIME("+names[unit]
	}
	if utc {
		c.from += ",UTC"
	}
	c.from += ")"
	return c, nil
}

// maxDigits is how many digits surely fit an int64.
const maxDigits = 18

// maxParquetDigits bounds a decimal: no other program writes longer ones.
const maxParquetDigits = 1000

func (n *parquetNode) convertsDecimal(c parquetConv) (parquetConv, error) {
	precision, scale := n.logical.precision, n.logical.scale
	if n.logical.kind != logicalDecimal {
		precision, scale = n.precision, n.scale
	}
	if precision < 1 || scale < 0 || scale > precision || precision > maxParquetDigits {
		return c, fmt.Errorf("there is no DECIMAL(%d,%d)", precision, scale)
	}
	c.typ, c.scale, c.bytes = Decimal, int(scale), bytesDecimal
	c.wide = precision > maxDigits
	c.from = fmt.Sprintf("DECIMAL(%d,%d)", precision, scale)
	return c, nil
}

func (n *parquetNode) convertsBytes(c parquetConv) (parquetConv, error) {
	l, conv := n.logical, n.converted
	if l.kind != 0 {
		conv = -1
	}
	switch {
	case l.kind == logicalDecimal || conv == convertedDecimal:
		return n.convertsDecimal(c)
	case l.kind == logicalString || conv == convertedUTF8:
		c.typ, c.from = Text, "STRING"
	case l.kind == logicalEnum || conv == convertedEnum:
		c.typ, c.from = Text, "ENUM"
	case l.kind == logicalJSON || conv == convertedJSON:
		c.typ, c.from = Text, "JSON"
	case l.kind == logicalBSON || conv == convertedBSON:
		c.typ, c.from = Bytes, "BSON"
	case l.kind == logicalUUID && n.physical == parquetFixed && n.length == 16:
		c.typ, c.bytes, c.from = Text, bytesUUID, "UUID"
	case l.kind == logicalFloat16 && n.physical == parquetFixed && n.length == 2:
		c.typ, c.bytes, c.from = Float, bytesHalf, "FLOAT16"
	default:
		c.typ, c.from = Bytes, "BYTE_ARRAY"
		if n.physical == parquetFixed {
			c.from = fmt.Sprintf("FIXED_LEN_BYTE_ARRAY(%d)", n.length)
		}
	}
	return c, nil
}

// last is the last leaf at or below a node; -1 if there is none.
func (n *parquetNode) last() int {
	if n.leaf >= 0 {
		return n.leaf
	}
	for i := len(n.nodes) - 1; i >= 0; i-- {
		if l := n.nodes[i].last(); l >= 0 {
			return l
		}
	}
	return -1
}
