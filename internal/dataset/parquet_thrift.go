package dataset

import (
	"encoding/binary"
	"errors"
	"math"
)

// The types of the compact protocol of Thrift, in which the metadata of Parquet is written.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
	thriftUUID   = 13
)

const maxThriftDepth = 64

var (
	errThriftShort = errors.New("its metadata is cut short")
	errThriftBad   = errors.New("its metadata is no valid Thrift")
)

// thriftReader reads the compact protocol out of memory. Nothing is allocated by a length that the bytes do not back. After an error it
// reads nothing more, so that callers look at err once, in the end.
type thriftReader struct {
	b     []byte
	at    int
	depth int
	err   error
}

func (r *thriftReader) fail(err error) {
	if r.err == nil {
		r.err = err
		r.at = len(r.b)
	}
}

func (r *thriftReader) byte() byte {
	if r.at >= len(r.b) {
		r.fail(errThriftShort)
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *thriftReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 {
		if n < 0 {
			r.fail(errThriftBad)
		}
		r.fail(errThriftShort)
		return 0
	}
	r.at += n
	return v
}

func (r *thriftReader) int() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *thriftReader) int32() int32 {
	v := r.int()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.fail(errThriftBad)
		return 0
	}
	return int32(v)
}

// binary returns bytes that belong to the reader.
func (r *thriftReader) binary() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)-r.at) {
		r.fail(errThriftShort)
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

// list reads the head of a list and returns how many elements of which type follow. Each has at least a byte, so that no more are
// believed than bytes follow.
func (r *thriftReader) list() (n int, kind byte) {
	head := r.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = r.uvarint()
	}
	if size > uint64(len(r.b)-r.at) {
		r.fail(errThriftShort)
		return 0, 0
	}
	return int(size), head & 15
}

// fields calls field with each field of a struct. What field does not read it must skip.
func (r *thriftReader) fields(field func(id int16, kind byte)) {
	if r.depth++; r.depth > maxThriftDepth {
		r.fail(errThriftBad)
	}
	defer func() { r.depth-- }()
	id := int64(0)
	for r.err == nil {
		head := r.byte()
		if head == 0 || r.err != nil {
			return
		}
		if delta := head >> 4; delta != 0 {
			id += int64(delta)
		} else {
			id = r.int()
		}
		if id < math.MinInt16 || id > math.MaxInt16 {
			r.fail(errThriftBad)
			return
		}
		field(int16(id), head&15)
	}
}

// structs reads a list of structs.
func (r *thriftReader) structs(kind byte, element func()) {
	if kind != thriftList && kind != thriftSet {
		r.skip(kind)
		return
	}
	n, of := r.list()
	if n > 0 && of != thriftStruct {
		r.fail(errThriftBad)
	}
	for range n {
		if r.err != nil {
			return
		}
		element()
	}
}

// skip passes over a value.
func (r *thriftReader) skip(kind byte) {
	switch kind {
	case thriftTrue, thriftFalse: // the value is in the type
	case thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		r.pass(8)
	case thriftUUID:
		r.pass(16)
	case thriftBinary:
		r.binary()
	case thriftList, thriftSet:
		r.skipList()
	case thriftMap:
		r.skipMap()
	case thriftStruct:
		r.fields(func(_ int16, kind byte) { r.skip(kind) })
	default:
		r.fail(errThriftBad)
	}
}

func (r *thriftReader) pass(n int) {
	if n > len(r.b)-r.at {
		r.fail(errThriftShort)
		return
	}
	r.at += n
}

// element passes over an element of a list, where booleans are bytes.
func (r *thriftReader) element(kind byte) {
	if kind == thriftTrue || kind == thriftFalse {
		r.byte()
		return
	}
	r.skip(kind)
}

func (r *thriftReader) skipList() {
	if r.depth++; r.depth > maxThriftDepth {
		r.fail(errThriftBad)
	}
	defer func() { r.depth-- }()
	n, of := r.list()
	for range n {
		if r.err != nil {
			return
		}
		r.element(of)
	}
}

func (r *thriftReader) skipMap() {
	if r.depth++; r.depth > maxThriftDepth {
		r.fail(errThriftBad)
	}
	defer func() { r.depth-- }()
	n := r.uvarint()
	if n == 0 {
		return
	}
	kinds := r.byte()
	for range min(n, uint64(len(r.b))) {
		if r.err != nil {
			return
		}
		r.element(kinds >> 4)
		r.element(kinds & 15)
	}
}

// wants reads a field of the expected type, or skips it.
func (r *thriftReader) wants(kind, expected byte) bool {
	if kind == expected {
		return true
	}
	r.fail(errThriftBad)
	return false
}

func (r *thriftReader) i32(kind byte, to *int32) {
	if r.wants(kind, thriftI32) {
		*to = r.int32()
	}
}

func (r *thriftReader) i64(kind byte, to *int64) {
	if r.wants(kind, thriftI64) {
		*to = r.int()
	}
}

func (r *thriftReader) text(kind byte, to *string) {
	if r.wants(kind, thriftBinary) {
		*to = string(r.binary())
	}
}

func (r *thriftReader) flag(kind byte, to *bool) {
	if kind != thriftTrue && kind != thriftFalse {
		r.fail(errThriftBad)
	}
	*to = kind == thriftTrue
}
