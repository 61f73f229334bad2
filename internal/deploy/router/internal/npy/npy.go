// Package npy hides the form in which NumPy sends one array: numpy.lib.format, versions 1 to 3, of numbers and truth values.
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
)

// Magic is how each array begins.
const Magic = "\x93NUMPY"

// maxHeader bounds the text that describes an array, and maxDims its dimensions.
const (
	maxHeader = 1 << 16
	maxDims   = 32
)

// Array is an array that is not decoded.
type Array struct {
	Kind    byte // 'f' float, 'i' whole, 'u' whole from 0 up, 'b' truth value
	Size    int  // bytes of an element
	Shape   []int64
	Fortran bool // the first index runs fastest
	order   binary.ByteOrder
	data    []byte
}

// Parse reads the header, and holds that all elements are there.
func Parse(b []byte) (Array, error) {
	header, data, err := split(b)
	if err != nil {
		return Array{}, err
	}
	var a Array
	if err := a.describe(header); err != nil {
		return Array{}, err
	}
	n := int64(a.Size)
	for _, d := range a.Shape {
		if d > 0 && n > math.MaxInt64/d {
			return Array{}, errors.New("its shape is larger than any memory")
		}
		n *= d
	}
	if n != int64(len(data)) {
		return Array{}, fmt.Errorf("its shape needs %d bytes, it has %d", n, len(data))
	}
	a.data = data
	return a, nil
}

func split(b []byte) (header string, data []byte, err error) {
	if len(b) < 10 || !bytes.HasPrefix(b, []byte(Magic)) {
		return "", nil, errors.New("it does not begin as an array of NumPy does")
	}
	length, start := int(binary.LittleEndian.Uint16(b[8:])), 10
	if b[6] > 1 {
		if len(b) < 12 || b[6] > 3 {
			return "", nil, errors.New("its version is not known")
		}
		length, start = int(min(binary.LittleEndian.Uint32(b[8:]), maxHeader+1)), 12
	}
	if length > maxHeader || length > len(b)-start {
		return "", nil, errors.New("its header does not end")
	}
	return string(b[start : start+length]), b[start+length:], nil
}

// describe reads {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }.
func (a *Array) describe(header string) error {
	descr, ok := field(header, "descr")
	descr = strings.Trim(descr, `'"`)
	if !ok || len(descr) < 3 {
		return errors.New("its header names no type")
	}
	switch descr[0] {
	case '<', '|', '=':
		a.order = binary.LittleEndian
	case '>':
		a.order = binary.BigEndian
	default:
		return fmt.Errorf("its type %.20q is not known", descr)
	}
	size, err := strconv.Atoi(descr[2:])
	a.Kind, a.Size = descr[1], size
	switch known := size == 1 || size == 2 || size == 4 || size == 8; {
	case err != nil || !known, a.Kind == 'f' && size == 1, a.Kind == 'b' && size != 1, strings.IndexByte("fiub", a.Kind) < 0:
		return fmt.Errorf("its type %.20q is none of numbers", descr)
	}
	order, ok := field(header, "fortran_order")
	if !ok || order != "True" && order != "False" {
		return errors.New("its header does not say in which order the elements stand")
	}
	a.Fortran = order == "True"
	shape, ok := field(header, "shape")
	if !ok || !strings.HasPrefix(shape, "(") {
		return errors.New("its header has no shape")
	}
	for _, text := range strings.Split(strings.Trim(shape, "()"), ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		d, err := strconv.ParseInt(text, 10, 64)
		if err != nil || d < 0 || len(a.Shape) == maxDims {
			return fmt.Errorf("its shape %.60q is none", shape)
		}
		a.Shape = append(a.Shape, d)
	}
	return nil
}

// field is what the header says under a name.
func field(header, name string) (string, bool) {
	_, rest, ok := strings.Cut(header, "'"+name+"'")
	if !ok {
		return "", false
	}
	rest, ok = strings.CutPrefix(strings.TrimSpace(rest), ":")
	rest = strings.TrimSpace(rest)
	if strings.HasPrefix(rest, "(") {
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return "", false
		}
		return rest[:end+1], ok
	}
	end := strings.IndexAny(rest, ",}")
	if end < 0 {
		return "", false
	}
	return strings.TrimSpace(rest[:end]), ok
}

// Len is how many elements there are.
func (a Array) Len() int {
	if a.Size == 0 {
		return 0
	}
	return len(a.data) / a.Size
}

// At is the element that stands at place i of the file, from 0 to Len without it. Whole numbers above 2^53 lose their last digits.
func (a Array) At(i int) float64 {
	b := a.data[i*a.Size : (i+1)*a.Size]
	switch a.Size {
	case 1:
		if a.Kind == 'i' {
			return float64(int8(b[0]))
		}
		return float64(b[0])
	case 2:
		v := a.order.Uint16(b)
		switch a.Kind {
		case 'f':
			return half(v)
		case 'i':
			return float64(int16(v))
		}
		return float64(v)
	case 4:
		v := a.order.Uint32(b)
		switch a.Kind {
		case 'f':
			return float64(math.Float32frombits(v))
		case 'i':
			return float64(int32(v))
		}
		return float64(v)
	}
	v := a.order.Uint64(b)
	switch a.Kind {
	case 'f':
		return math.Float64frombits(v)
	case 'i':
		return float64(int64(v))
	}
	return float64(v)
}

// All goes through the elements in the order of the file.
func (a Array) All() iter.Seq[float64] {
	return func(yield func(float64) bool) {
		for i := range a.Len() {
			if !yield(a.At(i)) {
				return
			}
		}
	}
}

// half reads an IEEE 754 binary16.
func half(v uint16) float64 {
	sign, exponent, fraction := 1.0, int(v>>10&0x1f), float64(v&0x3ff)
	if v&0x8000 != 0 {
		sign = -1
	}
	switch {
	case exponent == 0x1f && fraction != 0:
		return math.NaN()
	case exponent == 0x1f:
		return sign * math.Inf(1)
	case exponent == 0:
		return sign * math.Ldexp(fraction, -24)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
