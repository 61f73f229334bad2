package dataset

import (
	"errors"
	"fmt"
)

// The physical types.
const (
	parquetBoolean = 0
	parquetInt32   = 1
	parquetInt64   = 2
	parquetInt96   = 3
	parquetFloat   = 4
	parquetDouble  = 5
	parquetBinary  = 6
	parquetFixed   = 7
)

// How often a value stands in its parent.
const (
	parquetRequired = 0
	parquetOptional = 1
	parquetRepeated = 2
)

// The logical types, by their number in the union.
const (
	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalEnum      = 4
	logicalDecimal   = 5
	logicalDate      = 6
	logicalTime      = 7
	logicalTimestamp = 8
	logicalInteger   = 10
	logicalUnknown   = 11
	logicalJSON      = 12
	logicalBSON      = 13
	logicalUUID      = 14
	logicalFloat16   = 15
)

// parquetElement is one element of the schema, which lists a tree in depth first order.
type parquetElement struct {
	name       string
	physical   int32 // -1: a group
	length     int32
	repetition int32
	children   int32
	converted  int32 // -1: none
	scale      int32
	precision  int32
	logical    parquetLogical
}

type parquetLogical struct {
	kind             int16 // 0: none
	scale, precision int32
	utc              bool
	unit             int16 // 1 millis, 2 micros, 3 nanos
	bits             byte
	signed           bool
}

// parquetGroup is a row group.
type parquetGroup struct {
	rows   int64
	chunks []parquetChunk
}

// parquetChunk is the part of a column that is in a row group.
type parquetChunk struct {
	codec      int32
	physical   int32
	values     int64
	raw        int64 // bytes of all pages, decompressed
	compressed int64
	data, dict int64  // offsets of the first pages
	max        []byte // largest value as its statistics say; nil: they say nothing
	external   bool
	encrypted  bool
	known      bool // it has metadata
}

// What a file may have at most: its metadata takes some 100 bytes of memory for each.
const (
	maxParquetElements = 1 << 20
	maxParquetChunks   = 1 << 23
)

// parquetFooter is the metadata of a file.
type parquetFooter struct {
	rows      int64
	elements  []parquetElement
	groups    []parquetGroup
	encrypted bool
}

func parseParquetFooter(b []byte) (*parquetFooter, error) {
	r := &thriftReader{b: b}
	m := &parquetFooter{}
	chunks := 0
	r.fields(func(id int16, kind byte) {
		switch id {
		case 2:
			r.structs(kind, func() {
				if m.elements = append(m.elements, r.parquetElement()); len(m.elements) > maxParquetElements {
					r.fail(errors.New("its schema has too many columns"))
				}
			})
		case 3:
			r.i64(kind, &m.rows)
		case 4:
			r.structs(kind, func() {
				m.groups = append(m.groups, r.parquetGroup())
				if chunks += len(m.groups[len(m.groups)-1].chunks) + 1; chunks > maxParquetChunks {
					r.fail(errors.New("it has too many row groups and columns"))
				}
			})
		case 8:
			m.encrypted = true
			r.skip(kind)
		default:
			r.skip(kind)
		}
	})
	if r.err != nil {
		return nil, r.err
	}
	return m, m.check()
}

// check looks for counts that cannot be.
func (m *parquetFooter) check() error {
	if len(m.elements) == 0 {
		return errors.New("its metadata has no schema")
	}
	var rows int64
	for i, g := range m.groups {
		if g.rows < 0 || m.rows-rows < g.rows {
			return fmt.Errorf("its metadata says that there are %d rows, and row group %d alone has %d", m.rows, i+1, g.rows)
		}
		rows += g.rows
	}
	if rows != m.rows {
		return fmt.Errorf("its metadata says that there are %d rows, and its row groups have %d", m.rows, rows)
	}
	return nil
}

func (r *thriftReader) parquetElement() parquetElement {
	e := parquetElement{physical: -1, converted: -1}
	r.fields(func(id int16, kind byte) {
		switch id {
		case 1:
			r.i32(kind, &e.physical)
		case 2:
			r.i32(kind, &e.length)
		case 3:
			r.i32(kind, &e.repetition)
		case 4:
			r.text(kind, &e.name)
		case 5:
			r.i32(kind, &e.children)
		case 6:
			r.i32(kind, &e.converted)
		case 7:
			r.i32(kind, &e.scale)
		case 8:
			r.i32(kind, &e.precision)
		case 10:
			if r.wants(kind, thriftStruct) {
				e.logical = r.parquetLogical()
			}
		default:
			r.skip(kind)
		}
	})
	return e
}

// parquetLogical reads the union of logical types: the one field that is set.
func (r *thriftReader) parquetLogical() parquetLogical {
	var l parquetLogical
	r.fields(func(id int16, kind byte) {
		l.kind = id
		if kind != thriftStruct {
			r.skip(kind)
			return
		}
		r.fields(func(field int16, kind byte) {
			switch {
			case id == logicalDecimal && field == 1:
				r.i32(kind, &l.scale)
			case id == logicalDecimal && field == 2:
				r.i32(kind, &l.precision)
			case (id == logicalTime || id == logicalTimestamp) && field == 1:
				r.flag(kind, &l.utc)
			case (id == logicalTime || id == logicalTimestamp) && field == 2 && kind == thriftStruct:
				r.fields(func(unit int16, kind byte) {
					l.unit = unit
					r.skip(kind)
				})
			case id == logicalInteger && field == 1 && kind == thriftByte:
				l.bits = r.byte()
			case id == logicalInteger && field == 2:
				r.flag(kind, &l.signed)
			default:
				r.skip(kind)
			}
		})
	})
	return l
}

func (r *thriftReader) parquetGroup() parquetGroup {
	var g parquetGroup
	r.fields(func(id int16, kind byte) {
		switch id {
		case 1:
			r.structs(kind, func() { g.chunks = append(g.chunks, r.parquetChunk()) })
		case 3:
			r.i64(kind, &g.rows)
		default:
			r.skip(kind)
		}
	})
	return g
}

func (r *thriftReader) parquetChunk() parquetChunk {
	var c parquetChunk
	r.fields(func(id int16, kind byte) {
		switch id {
		case 1:
			c.external = true
			r.skip(kind)
		case 3:
			c.known = true
			if r.wants(kind, thriftStruct) {
				r.parquetChunkMeta(&c)
			}
		case 8, 9:
			c.encrypted = true
			r.skip(kind)
		default:
			r.skip(kind)
		}
	})
	return c
}

func (r *thriftReader) parquetChunkMeta(c *parquetChunk) {
	r.fields(func(id int16, kind byte) {
		switch id {
		case 1:
			r.i32(kind, &c.physical)
		case 4:
			r.i32(kind, &c.codec)
		case 5:
			r.i64(kind, &c.values)
		case 6:
			r.i64(kind, &c.raw)
		case 7:
			r.i64(kind, &c.compressed)
		case 9:
			r.i64(kind, &c.data)
		case 11:
			r.i64(kind, &c.dict)
		case 12:
			r.fields(func(id int16, kind byte) {
				if id == 5 && kind == thriftBinary { // max_value; max was compared as signed by old writers
					c.max = r.binary()
					return
				}
				r.skip(kind)
			})
		default:
			r.skip(kind)
		}
	})
}

// The kinds of page.
const (
	pageData       = 0
	pageIndex      = 1
	pageDictionary = 2
	pageDataV2     = 3
)

// parquetPageHead is the header of a page.
type parquetPageHead struct {
	kind             int32
	raw, compressed  int32 // bytes
	crc              uint32
	hasCRC           bool
	values           int32
	encoding         int32
	defCode, repCode int32 // encodings of the levels
	rows             int32 // of the second version; else -1
	defLen, repLen   int32 // of the second version
	plain            bool  // of the second version: not compressed
	sized            bool  // it has the header of its kind
}

// parsePageHead reads a header at the start of b and returns its length.
func parsePageHead(b []byte) (parquetPageHead, int, error) {
	r := &thriftReader{b: b}
	h := parquetPageHead{rows: -1}
	r.fields(func(id int16, kind byte) {
		switch id {
		case 1:
			r.i32(kind, &h.kind)
		case 2:
			r.i32(kind, &h.raw)
		case 3:
			r.i32(kind, &h.compressed)
		case 4:
			var crc int32
			r.i32(kind, &crc)
			h.crc, h.hasCRC = uint32(crc), true
		case 5, 7, 8:
			if r.wants(kind, thriftStruct) {
				r.pageKind(&h, id)
			}
		default:
			r.skip(kind)
		}
	})
	if r.err != nil {
		return h, 0, r.err
	}
	return h, r.at, h.check()
}

func (h *parquetPageHead) check() error {
	if h.raw < 0 || h.compressed < 0 || h.values < 0 || h.rows < -1 || h.defLen < 0 || h.repLen < 0 {
		return errors.New("the header of a page has a negative count")
	}
	if !h.sized && h.kind != pageIndex {
		return fmt.Errorf("the header of a page of kind %d says nothing of its values", h.kind)
	}
	return nil
}

// pageKind reads the part of the header that a kind of page has: 5 data, 7 dictionary, 8 data of the second version.
func (r *thriftReader) pageKind(h *parquetPageHead, part int16) {
	if h.kind == pageData && part == 5 || h.kind == pageDictionary && part == 7 || h.kind == pageDataV2 && part == 8 {
		h.sized = true
	}
	r.fields(func(id int16, kind byte) {
		switch {
		case id == 1:
			r.i32(kind, &h.values)
		case part != 8 && id == 2, part == 8 && id == 4:
			r.i32(kind, &h.encoding)
		case part == 5 && id == 3:
			r.i32(kind, &h.defCode)
		case part == 5 && id == 4:
			r.i32(kind, &h.repCode)
		case part == 8 && id == 3:
			r.i32(kind, &h.rows)
		case part == 8 && id == 5:
			r.i32(kind, &h.defLen)
		case part == 8 && id == 6:
			r.i32(kind, &h.repLen)
		case part == 8 && id == 7:
			var compressed bool
			r.flag(kind, &compressed)
			h.plain = !compressed
		default:
			r.skip(kind)
		}
	})
}
