package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The encodings of values.
const (
	encodingPlain       = 0
	encodingPlainDict   = 2
	encodingRLE         = 3
	encodingBitPacked   = 4
	encodingDelta       = 5
	encodingDeltaLength = 6
	encodingDeltaBytes  = 7
	encodingRLEDict     = 8
	encodingSplit       = 9
)

// family is the field of a Column in which values stand.
type family uint8

const (
	familyNone family = iota
	familyInts
	familyFloats
	familyTexts
)

func (c *parquetConv) family() family {
	switch {
	case c.typ == Null:
		return familyNone
	case c.typ == Float:
		return familyFloats
	case c.typ >= Text || c.wide:
		return familyTexts
	}
	return familyInts
}

// parquetValues reads the values of a page, those that are there, piece by piece.
type parquetValues struct {
	conv     *parquetConv
	encoding int32
	b        []byte // plain: what is left; split: all of it
	n, at    int    // split: how many there are, and the next one; plain booleans: the next bit
	codes    hybridRuns
	ints     deltaRuns
	prefixes deltaRuns
	last     []byte

	wide  [256]int64 // lengths and prefixes of some strings
	other [256]int64
	value []byte
}

// start begins a page of values. n is how many there are at most.
func (v *parquetValues) start(conv *parquetConv, encoding int32, b []byte, n int) error {
	v.conv, v.encoding, v.b, v.n, v.at, v.last = conv, encoding, b, n, 0, v.last[:0]
	ok := false
	var err error
	switch encoding {
	case encodingPlain:
		ok = true
	case encodingPlainDict, encodingRLEDict:
		if ok = true; len(b) == 0 {
			v.codes = hybridRuns{}
			break
		}
		if b[0] > 32 {
			return fmt.Errorf("the codes of a page have %d bits", b[0])
		}
		v.codes = newHybridRuns(b[1:], uint(b[0]))
	case encodingRLE:
		if ok = conv.physical == parquetBoolean; ok {
			var runs []byte
			runs, _, err = sized(b)
			v.codes = newHybridRuns(runs, 1)
		}
	case encodingDelta:
		if ok = conv.physical == parquetInt32 || conv.physical == parquetInt64; ok {
			v.ints, err = newDeltaRuns(b)
		}
	case encodingDeltaLength:
		if ok = conv.physical == parquetBinary; ok {
			err = v.startLengths(b)
		}
	case encodingDeltaBytes:
		if ok = conv.physical == parquetBinary || conv.physical == parquetFixed; ok {
			if v.prefixes, err = newDeltaRuns(b); err == nil {
				if b, err = v.prefixes.rest(); err == nil {
					err = v.startLengths(b)
				}
			}
		}
	case encodingSplit:
		if ok = conv.physical != parquetBoolean && conv.physical != parquetBinary && conv.physical != parquetInt96; ok {
			v.n = len(b) / conv.size()
		}
	}
	if !ok {
		return fmt.Errorf("encoding %d is not known for its type", encoding)
	}
	return err
}

func (v *parquetValues) startLengths(b []byte) error {
	var err error
	if v.ints, err = newDeltaRuns(b); err != nil {
		return err
	}
	v.b, err = v.ints.rest()
	return err
}

// sized splits what begins with its length in four bytes.
func sized(b []byte) (inner, rest []byte, err error) {
	if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, nil, errPageShort
	}
	n := 4 + int(binary.LittleEndian.Uint32(b))
	return b[4:n], b[n:], nil
}

// size is how many bytes a value of a type without variable length has.
func (c *parquetConv) size() int {
	switch c.physical {
	case parquetInt32, parquetFloat:
		return 4
	case parquetInt64, parquetDouble:
		return 8
	}
	return max(c.length, 1)
}

func (v *parquetValues) dictionary() bool {
	return v.encoding == encodingPlainDict || v.encoding == encodingRLEDict
}

// append appends n values to the part of c that its family uses.
func (v *parquetValues) append(c *Column, n int) error {
	switch v.conv.family() {
	case familyFloats:
		if v.conv.bytes == bytesHalf {
			return v.each(n, func(b []byte) error {
				c.Floats = append(c.Floats, half(binary.LittleEndian.Uint16(b)))
				return nil
			})
		}
		start := len(c.Floats)
		c.Floats = grow(c.Floats, n)
		return v.floats(c.Floats[start:])
	case familyTexts:
		return v.texts(c.Texts, n)
	case familyInts:
		start := len(c.Ints)
		c.Ints = grow(c.Ints, n)
		if v.conv.physical == parquetBoolean || v.conv.physical == parquetInt32 || v.conv.physical == parquetInt64 {
			if err := v.numbers(c.Ints[start:]); err != nil {
				return err
			}
			return v.conv.finish(c.Ints[start:])
		}
		i := start
		return v.each(n, func(b []byte) (err error) {
			c.Ints[i], err = v.conv.number(b)
			i++
			return err
		})
	case familyNone:
	}
	if n > 0 {
		return errors.New("a column of type NULL has a value")
	}
	return nil
}

// grow makes a slice longer by n, whose new elements hold anything. One that is empty gets no more than that: most are filled once.
func grow[T any](s []T, n int) []T {
	if cap(s)-len(s) >= n {
		return s[:len(s)+n]
	}
	if len(s) == 0 {
		return make([]T, n)
	}
	bigger := make([]T, len(s)+n, (len(s)+n)*5/4+16)
	copy(bigger, s)
	return bigger
}

// numbers reads booleans and whole numbers as they are stored.
func (v *parquetValues) numbers(dst []int64) error {
	switch v.encoding {
	case encodingRLE:
		return v.bools(dst)
	case encodingDelta:
		if err := v.ints.read(dst); err != nil {
			return err
		}
		if v.conv.physical == parquetInt32 {
			for i, x := range dst {
				dst[i] = int64(int32(x))
			}
		}
		return nil
	case encodingSplit:
		return v.splitNumbers(dst)
	}
	switch v.conv.physical {
	case parquetBoolean:
		if v.at+len(dst) > len(v.b)*8 {
			return errPageShort
		}
		for i := range dst {
			dst[i] = int64(v.b[v.at>>3] >> (v.at & 7) & 1)
			v.at++
		}
	case parquetInt32:
		if len(v.b)/4 < len(dst) {
			return errPageShort
		}
		for i := range dst {
			dst[i] = int64(int32(binary.LittleEndian.Uint32(v.b[4*i:])))
		}
		v.b = v.b[4*len(dst):]
	default:
		if len(v.b)/8 < len(dst) {
			return errPageShort
		}
		for i := range dst {
			dst[i] = int64(binary.LittleEndian.Uint64(v.b[8*i:]))
		}
		v.b = v.b[8*len(dst):]
	}
	return nil
}

func (v *parquetValues) bools(dst []int64) error {
	var some [256]uint32
	for len(dst) > 0 {
		n := min(len(dst), len(some))
		if err := v.codes.read(some[:n]); err != nil {
			return err
		}
		for i, x := range some[:n] {
			dst[i] = int64(x & 1)
		}
		dst = dst[n:]
	}
	return nil
}

// split is the bits of value i in the encoding that puts the first bytes of all values first, then the second ones.
func (v *parquetValues) split(i, size int) uint64 {
	var x uint64
	for k := size - 1; k >= 0; k-- {
		x = x<<8 | uint64(v.b[k*v.n+i])
	}
	return x
}

func (v *parquetValues) splitNumbers(dst []int64) error {
	if len(dst) > v.n-v.at {
		return errPageShort
	}
	for i := range dst {
		if v.conv.physical == parquetInt32 {
			dst[i] = int64(int32(v.split(v.at+i, 4)))
		} else {
			dst[i] = int64(v.split(v.at+i, 8))
		}
	}
	v.at += len(dst)
	return nil
}

func (v *parquetValues) floats(dst []float64) error {
	narrow := v.conv.physical == parquetFloat
	if v.encoding == encodingSplit {
		if len(dst) > v.n-v.at {
			return errPageShort
		}
		for i := range dst {
			if narrow {
				dst[i] = float64(math.Float32frombits(uint32(v.split(v.at+i, 4))))
			} else {
				dst[i] = math.Float64frombits(v.split(v.at+i, 8))
			}
		}
		v.at += len(dst)
		return nil
	}
	size := v.conv.size()
	if len(v.b)/size < len(dst) {
		return errPageShort
	}
	for i := range dst {
		if narrow {
			dst[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(v.b[4*i:])))
		} else {
			dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(v.b[8*i:]))
		}
	}
	v.b = v.b[size*len(dst):]
	return nil
}

// each calls use with each of n values that are bytes. They are valid until use returns.
func (v *parquetValues) each(n int, use func([]byte) error) error {
	for n > 0 {
		k := min(n, len(v.wide))
		if err := v.some(k, use); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func (v *parquetValues) some(n int, use func([]byte) error) error {
	switch v.encoding {
	case encodingDeltaLength, encodingDeltaBytes:
		return v.deltas(n, use)
	case encodingSplit:
		if n > v.n-v.at {
			return errPageShort
		}
		for range n {
			v.value = v.value[:0]
			for k := range v.conv.length {
				v.value = append(v.value, v.b[k*v.n+v.at])
			}
			v.at++
			if err := use(v.value); err != nil {
				return err
			}
		}
		return nil
	}
	for range n {
		size := v.conv.length
		if v.conv.physical == parquetBinary {
			if len(v.b) < 4 {
				return errPageShort
			}
			size = int(binary.LittleEndian.Uint32(v.b))
			v.b = v.b[4:]
		}
		if size > len(v.b) {
			return errPageShort
		}
		if err := use(v.b[:size]); err != nil {
			return err
		}
		v.b = v.b[size:]
	}
	return nil
}

// deltas reads values whose lengths are written as differences, and of which the start may be that of the value before.
func (v *parquetValues) deltas(n int, use func([]byte) error) error {
	if err := v.ints.read(v.wide[:n]); err != nil {
		return err
	}
	if v.encoding == encodingDeltaBytes {
		if err := v.prefixes.read(v.other[:n]); err != nil {
			return err
		}
	}
	for i, size := range v.wide[:n] {
		if size < 0 || size > int64(len(v.b)) {
			return errPageShort
		}
		value := v.b[:size]
		v.b = v.b[size:]
		if v.encoding == encodingDeltaBytes {
			if p := v.other[i]; p < 0 || p > int64(len(v.last)) || len(v.last)+len(value) > maxPage {
				return errDelta
			}
			v.last = append(v.last[:v.other[i]], value...)
			value = v.last
		}
		if v.conv.physical == parquetFixed && len(value) != v.conv.length {
			return errDelta
		}
		if err := use(value); err != nil {
			return err
		}
	}
	return nil
}
